"""The words that the rules for quoted text need, by language: header labels, closings, hints at answers inside.

Kept apart so that a language is added here without touching a rule. Sources: what Outlook, Apple Mail, Gmail and
Thunderbird write in these languages (observed, 2026-11). All are compared case-folded.
"""

from __future__ import annotations

import re
from enum import Enum


class Role(Enum):
    """What a label in a quoted header block stands for."""

    FROM = "from"
    DATE = "date"
    TO = "to"
    SUBJECT = "subject"


_LABELS = {
    Role.FROM: "from|von|de|da|van|od|från|fra|от|от кого|kimden|gönderen|差出人|发件人|寄件者|보낸 사람"
    "|lähettäjä|feladó|від"
    "|expéditeur|remitente|mittente|afzender|nadawca",
    Role.DATE: "sent|date|gesendet|datum|envoyé|envoyé le|fecha|enviado|enviado el|enviado em|inviato|data|verzonden"
    "|wysłano|data wysłania|odesláno|skickat|sendt|dato|отправлено|дата|gönderildi|tarih|送信日時|日付|发送时间|日期"
    "|傳送時間|보낸 날짜|날짜|lähetetty|elküldve|надіслано",
    Role.TO: "to|cc|an|à|para|a|aan|do|komu|till|til|кому|копия|kime|alıcı|bilgi|宛先|收件人|抄送|收件者|받는 사람|참조"
    "|vastaanottaja|címzett|kopie|kopia|copie|copia|kopi",
    Role.SUBJECT: "subject|betreff|objet|asunto|assunto|oggetto|onderwerp|temat|předmět|ämne|emne|тема|konu|件名|主题"
    "|主旨|제목|aihe|tárgy",
}
LABELS: dict[str, Role] = {word.casefold(): role for role, words in _LABELS.items() for word in words.split("|")}

# Thanks are not among them: "Thanks," opens a mail as often as it closes one.
CLOSINGS = frozenset(
    phrase.casefold()
    for phrase in (
        "Best", "Best regards", "Best wishes", "Kind regards", "Warm regards", "Regards", "All the best", "Cheers",
        "Sincerely", "Yours sincerely", "Yours faithfully", "Yours truly", "Many thanks and best regards",
        "Mit freundlichen Grüßen", "Mit freundlichem Gruß", "Freundliche Grüße", "Freundliche Grüsse", "Viele Grüße",
        "Viele Grüsse", "Beste Grüße", "Liebe Grüße", "Herzliche Grüße", "Schöne Grüße", "Grüße", "Gruß", "MfG", "VG",
        "LG",
        "Cordialement", "Bien cordialement", "Bien à vous", "Cordiales salutations", "Salutations distinguées",
        "Saludos", "Un saludo", "Saludos cordiales", "Atentamente", "Cordialmente",
        "Cordiali saluti", "Distinti saluti", "Un cordiale saluto", "Saluti",
        "Atenciosamente", "Cumprimentos", "Com os melhores cumprimentos", "Abraços",
        "Met vriendelijke groet", "Met vriendelijke groeten", "Hartelijke groeten", "Groeten", "Groet",
        "Z poważaniem", "Pozdrawiam", "Serdecznie pozdrawiam", "С уважением", "С наилучшими пожеланиями",
        "Saygılarımla", "İyi çalışmalar", "よろしくお願いいたします", "よろしくお願いします", "敬具", "此致",
        "敬礼", "祝好",
        "Med vänliga hälsningar", "Vänliga hälsningar", "Hälsningar", "Mvh", "Med venlig hilsen", "Venlig hilsen",
        "S pozdravem", "안부 전합니다",
    )
)  # fmt: skip

INLINE_HINT = re.compile(
    r"\b(?:inline|in-line|in line|below|in red|in blue|in green|in bold|interleaved|siehe unten|s\. ?u\.|unten|in rot"
    r"|in blau|ci-dessous|en rouge|en bleu|abajo|más abajo|en rojo|en azul|abaixo|em vermelho|di seguito|qui sotto"
    r"|in rosso|in blu|hieronder|in het rood|poniżej|na czerwono|ниже|красным|aşağıda|kırmızı|nedan|i rött|nedenfor"
    r"|níže|červeně)\b|以下に|下記|赤字|青字|インライン|见下|下面|红色|아래|빨간"
)
