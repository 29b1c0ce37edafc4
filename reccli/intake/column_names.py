"""The usual names of columns, without case, spaces, dots, dashes and underscores; the earlier wins."""

from __future__ import annotations

__all__ = ["WANTED"]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


USER = _words(
    "userid user uid reviewerid customerid visitorid memberid accountid personid profileid listenerid readerid "
    "playerid clientid username reviewer customer visitor member reviewername sessionid u"
)
ITEM = _words(
    "itemid item iid movieid movie parentasin asin bookid book isbn artistid artist trackid track songid song albumid "
    "productid product sku gameid game appid animeid anime businessid gmapid poiid poi venueid locationid articleid "
    "newsid contentid videoid recipeid beerid showid courseid paperid postid adid i"
)
VALUE = _words(
    "rating ratings score stars overall bookrating reviewscore grade value playcount plays listencount playcounts "
    "hours hoursplayed weight count preference feedback watchratio label click clicked clicks liked like"
)
TIME = _words(
    "timestamp ts unixreviewtime unixtimestamp unixtime datetime time eventtime createdat ratedat updatedat "
    "checkintime visittime utctime sorttimestamp date reviewdate reviewtime day position seq order"
)
EVENT = _words("event eventtype behavior behaviour behaviortype behaviourtype action actiontype interactiontype")
SPLIT = _words("split part partition subset")
TITLE = _words(
    "title name movietitle booktitle producttitle productname itemname itemtitle gametitle gamename artistname "
    "trackname songname newstitle headline originaltitle label"
)
HEAD = _words("head headid h subject subjectid source sourceid entity1 from itemid item")
RELATION = _words("relation relationid rel r predicate predicateid property edge type")
TAIL = _words("tail tailid t object objectid target targetid entity2 to entity entityid value")

WANTED = {
    "interactions": {"user": USER, "item": ITEM, "value": VALUE, "time": TIME, "event": EVENT, "split": SPLIT},
    "items": {"id": (*ITEM, "id"), "title": TITLE},
    "users": {"id": (*USER, "id")},
    "triples": {"head": HEAD, "relation": RELATION, "tail": TAIL},
}
"""Roles by kind of file, with the usual names of their columns."""
