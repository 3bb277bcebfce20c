"""What says that a mail was passed on: the line above the other's words, and the mark before the subject.

A forward isn't an answer: nobody writes between its lines, and whoever passes words on hasn't said them. So where one
is announced, all below is somebody else's, however the announcement goes on and whatever the sender says about "below".

Source: what Gmail, Outlook, Apple Mail, Thunderbird, Yahoo and Zimbra write in these languages (observed, 2026-11).
"""

import re

_PHRASES = (
    "forwarded message", "forwarded email", "forwarded by", "original message", "original appointment",
    "weitergeleitete nachricht", "weitergeleitete e-mail", "weitergeleitet von", "ursprüngliche nachricht",
    "originalnachricht", "ursprünglicher termin",
    "message transféré", "message transmis", "courriel transféré", "message d'origine", "message d’origine",
    "mensaje reenviado", "mensaje original", "mensagem encaminhada", "mensagem reencaminhada", "mensagem original",
    "messaggio inoltrato", "messaggio originale", "doorgestuurd bericht", "oorspronkelijk bericht",
    "przekazana wiadomość", "wiadomość przekazana", "wiadomość oryginalna", "vidarebefordrat meddelande",
    "vidarebefordrat brev", "ursprungligt meddelande", "videresendt meddelelse", "videresendt besked",
    "oprindelig meddelelse", "videresendt melding", "opprinnelig melding", "přeposlaná zpráva", "původní zpráva",
    "пересылаемое сообщение", "пересланное сообщение", "исходное сообщение", "iletilen mesaj", "iletilmiş mesaj",
    "yönlendirilmiş ileti", "orijinal mesaj", "özgün ileti", "転送メッセージ", "転送されたメッセージ",
    "元のメッセージ", "转发的邮件", "转发邮件", "原始邮件", "轉寄郵件", "原始郵件", "전달된 메시지", "원본 메시지",
)  # fmt: skip
_LINE_CHARS_MAX = 200
_RULER = re.compile(r"[\s>*]*[-_=]{2,}\s*(?P<words>[^-_=\s].{0,150}?)\s*[-_=]{2,}\s*")
_OPENINGS = (
    "begin forwarded message", "anfang der weitergeleiteten nachricht", "début du message transféré",
    "début du message réexpédié", "inicio del mensaje reenviado", "início da mensagem encaminhada",
    "início da mensagem reencaminhada", "inizio messaggio inoltrato", "begin doorgestuurd bericht",
    "początek przekazywanej wiadomości", "vidarebefordrat brev", "start på videresendt besked",
    "videresendt melding", "začátek přeposílané zprávy", "начало переадресованного сообщения",
    "転送されたメッセージ", "以下是转发的邮件", "전달된 메시지 시작",
)  # fmt: skip
_SUBJECT = re.compile(
    r"\s*(?:\[[^\]]{0,40}\]\s*)?(?:fwd?|wg|wtr|tr|rv|enc|res?env|i|inoltr|doorst|pd|vb|vs|vl|fs|пересл|ilt|iletilen"
    r"|転送|转发|轉寄|전달)\s*[:：]",
    re.IGNORECASE,
)


def announces_forward(line: str) -> bool:
    """Say whether a line of its own announces that what follows was passed on."""
    if len(line) > _LINE_CHARS_MAX:
        return False
    ruler = _RULER.fullmatch(line)
    words = " ".join((ruler["words"] if ruler else line).split()).casefold()
    if ruler:
        return words.startswith(_PHRASES)
    return words.rstrip(" :：*").startswith(_OPENINGS) and words.endswith((":", "："))


def is_forward(subject: str) -> bool:
    """Say whether a subject is marked as passed on: "Fwd:", "WG:", "TR:" and their like."""
    return bool(_SUBJECT.match(subject[:_LINE_CHARS_MAX]))
