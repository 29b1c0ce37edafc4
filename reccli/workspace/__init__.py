"""The workspace: versions of stage outputs, committed whole or not at all, and verified when read.

Layout (all paths inside the workspace are relative, so it may be moved or copied)::

    .reccli/lock                    flock, held by the one writer
    .reccli/holder.json             who holds it; information only, never trusted
    .reccli/tmp/<uuid>/             drafts; renamed into place when complete
    <stage>/<name>/<fingerprint>/   immutable version: data files, and manifest.json written last
    <stage>/<name>/CURRENT          one line, the current fingerprint
    logs/                           logs, checkpoints and searches under way, outside the guarantees
"""

from reccli.workspace.draft import Draft
from reccli.workspace.storage import storage_errors
from reccli.workspace.version import Version, fingerprint
from reccli.workspace.workspace import SEARCHES, STAGES, Workspace

__all__ = ["SEARCHES", "STAGES", "Draft", "Version", "Workspace", "fingerprint", "storage_errors"]
