"""Makers of cell texts: names, addresses, dates, amounts … in several scripts."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Make = Callable[[random.Random, int], str]  # the generator and the row's number → a cell


@dataclass(frozen=True)
class Language:
    """Words of one language. Names of columns are in the order of :data:`COMMON`."""

    first: tuple[str, ...]
    last: tuple[str, ...]
    cities: tuple[str, ...]
    streets: tuple[str, ...]
    words: tuple[str, ...]
    columns: tuple[str, ...] = ()  # none: English ones


COMMON = ("name", "city", "street", "note", "date", "amount", "quantity", "id", "email", "status")

LANGUAGES: Mapping[str, Language] = {
    "en": Language(
        ("Ada", "Grace", "Edgar", "Tim", "Rosa", "Shane", "Amelia"),
        ("Hopper", "O'Brien", "D'Arcy", "Lee", "Smith-Jones", "McAllister", "Ng"),
        ("York", "Bath", "St. John's", "Newcastle upon Tyne", "Cork", "Martha's Vineyard"),
        ("High Street", "King's Road", "Baker Street", "The Strand", "Mill Lane"),
        (
            "amber",
            "order",
            "late",
            "customer",
            "returned",
            "it's",
            "broken",
            "fine",
            "'tis",
            "invoice",
            "paid",
        ),
    ),
    "de": Language(
        ("Jürgen", "Käthe", "Hans", "Zoë", "Björn", "Änne", "Günter"),
        ("Müller", "Weiß", "Groß", "von der Heide", "Schäfer", "Öztürk"),
        ("Köln", "Lübeck", "Gießen", "Frankfurt/Main", "Ulm", "Bad Säckingen"),
        ("Hauptstraße", "Lindenweg", "Am Markt", "Mühlgässchen", "Straße des 17. Juni"),
        ("Rechnung", "geprüft", "später", "Größe", "für", "Straße", "und", "nicht", "erhalten", "Maß"),
        (*("Name", "Ort", "Straße", "Bemerkung", "Datum", "Betrag", "Menge", "Nr", "E-Mail", "Zustand"),),
    ),
    "fr": Language(
        ("Amélie", "François", "Zoé", "Jérôme", "Anaïs", "Noël"),
        ("Lefèvre", "d'Estaing", "L'Hôpital", "Bélanger", "Saint-Exupéry", "Garçon"),
        ("Besançon", "L'Haÿ-les-Roses", "Nîmes", "Orléans", "Saint-Étienne"),
        ("rue de l'Église", "avenue d'Italie", "place de la République", "quai d'Orsay"),
        ("l'été", "commande", "reçue", "n'est", "pas", "déjà", "à", "vérifier", "aujourd'hui", "élève"),
        ("nom", "ville", "rue", "remarque", "date", "montant", "quantité", "id", "courriel", "état"),
    ),
    "pl": Language(
        ("Łukasz", "Świętosława", "Jadwiga", "Żaneta", "Stanisław"),
        ("Wójcik", "Brzęczyszczykiewicz", "Dąbrowska", "Źrebiec", "Kowalski"),
        ("Łódź", "Kraków", "Gdańsk", "Żywiec", "Świdnica"),
        ("ulica Żurawia", "aleja Jana Pawła", "plac Zgody", "ulica Długa"),
        ("zamówienie", "później", "dostawa", "zapłacono", "brak", "część", "źle"),
        ("imię", "miasto", "ulica", "uwagi", "data", "kwota", "ilość", "nr", "e-mail", "stan"),
    ),
    "ru": Language(
        ("Анна", "Дмитрий", "Фёдор", "Ольга", "Юрий", "Семён"),
        ("Иванов", "Щербакова", "Достоевский", "Петренко", "Ёлкина"),
        ("Москва", "Санкт-Петербург", "Новосибирск", "Орёл", "Уфа"),
        ("улица Ленина", "Невский проспект", "Садовая улица", "Лесной переулок"),
        ("заказ", "оплачен", "ещё", "не", "получен", "клиент", "просил", "позже", "объём"),
        ("имя", "город", "улица", "примечание", "дата", "сумма", "количество", "номер", "почта", "статус"),
    ),
    "el": Language(
        ("Αλέξανδρος", "Ελένη", "Γιώργος", "Άννα", "Σωκράτης"),
        ("Παπαδόπουλος", "Οικονόμου", "Καζαντζάκης", "Δημητρίου"),
        ("Αθήνα", "Θεσσαλονίκη", "Πάτρα", "Ηράκλειο"),
        ("οδός Ερμού", "λεωφόρος Συγγρού", "πλατεία Συντάγματος"),
        ("παραγγελία", "αργότερα", "πελάτης", "έτοιμο", "και", "δεν", "ήρθε"),
        (
            *(
                "όνομα",
                "πόλη",
                "οδός",
                "σχόλιο",
                "ημερομηνία",
                "ποσό",
                "τεμάχια",
                "κωδικός",
                "email",
                "κατάσταση",
            ),
        ),
    ),
    "ar": Language(
        ("محمد", "فاطمة", "يوسف", "ليلى", "عمر"),
        ("الحسيني", "بن سعيد", "المصري", "حداد"),
        ("القاهرة", "بيروت", "الدار البيضاء", "عمّان"),
        ("شارع النيل", "شارع الحمراء", "طريق المطار"),
        ("طلب", "مدفوع", "لاحقا", "العميل", "تم", "الاستلام", "غير"),
        ("الاسم", "المدينة", "الشارع", "ملاحظة", "التاريخ", "المبلغ", "الكمية", "رقم", "البريد", "الحالة"),
    ),
    "he": Language(
        ("דוד", "שרה", "יעל", "משה", "נועה"),
        ("כהן", "לוי", "בן-דוד", "מזרחי"),
        ("ירושלים", "תל אביב", "חיפה", "באר שבע"),
        ("רחוב הרצל", "שדרות רוטשילד", "דרך יפו"),
        ("הזמנה", "שולם", "מאוחר", "לקוח", "לא", "התקבל", "עוד"),
        ("שם", "עיר", "רחוב", "הערה", "תאריך", "סכום", "כמות", "מספר", "דואל", "מצב"),
    ),
    "zh": Language(
        ("伟", "芳", "娜", "秀英", "小明"),
        ("王", "李", "张", "刘", "欧阳"),
        ("北京", "上海", "广州", "成都", "呼和浩特"),
        ("人民路", "中山大道", "南京西路"),
        ("订单", "已付款", "客户", "稍后", "退货", "尚未", "收到", "发票"),
        ("姓名", "城市", "街道", "备注", "日期", "金额", "数量", "编号", "邮箱", "状态"),
    ),
    "ja": Language(
        ("太郎", "花子", "さくら", "健一", "ジョン"),
        ("佐藤", "鈴木", "髙橋", "渡邊", "スミス"),
        ("東京都", "大阪市", "札幌市", "さいたま市"),
        ("銀座", "丸の内", "桜通り"),
        ("注文", "支払い済み", "まだ", "お客様", "後で", "キャンセル", "請求書", "です"),
        ("氏名", "市区", "住所", "備考", "日付", "金額", "数量", "番号", "メール", "状態"),
    ),
    "ko": Language(
        ("민준", "서연", "지훈", "하은"),
        ("김", "이", "박", "최", "남궁"),
        ("서울", "부산", "인천", "대구"),
        ("세종대로", "강남대로", "중앙로"),
        ("주문", "결제", "나중에", "고객", "아직", "받지", "못함", "송장"),
        ("이름", "도시", "거리", "비고", "날짜", "금액", "수량", "번호", "이메일", "상태"),
    ),
    "hi": Language(
        ("अमित", "प्रिया", "राहुल", "सुनीता"),
        ("शर्मा", "वर्मा", "सिंह", "पटेल"),
        ("दिल्ली", "मुंबई", "जयपुर", "वाराणसी"),
        ("महात्मा गांधी मार्ग", "स्टेशन रोड", "गली नंबर 5"),
        ("आदेश", "भुगतान", "बाद", "में", "ग्राहक", "नहीं", "मिला"),
        ("नाम", "शहर", "सड़क", "टिप्पणी", "तारीख", "राशि", "मात्रा", "क्रमांक", "ईमेल", "स्थिति"),
    ),
    "th": Language(
        ("สมชาย", "สุดา", "ประเสริฐ", "มาลี"),
        ("ใจดี", "ศรีสุข", "ทองคำ"),
        ("กรุงเทพฯ", "เชียงใหม่", "ภูเก็ต"),
        ("ถนนสุขุมวิท", "ถนนสีลม", "ซอยทองหล่อ"),
        ("คำสั่งซื้อ", "ชำระแล้ว", "ลูกค้า", "ยังไม่ได้รับ", "ภายหลัง"),
        ("ชื่อ", "เมือง", "ถนน", "หมายเหตุ", "วันที่", "จำนวนเงิน", "จำนวน", "รหัส", "อีเมล", "สถานะ"),
    ),
}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EMOJI = ("🎉", "👍🏽", "☕", "🚚", "❤️", "👩‍👩‍👧")
_PUNCTUATION = (", ", "; ", " - ", ": ", ". ", " | ", " / ", "! ", " ")


def sentence(rng: random.Random, language: Language, words: int) -> str:
    """Return words, with commas, semicolons, colons and bars between some of them."""
    text = rng.choice(language.words)
    for _ in range(words - 1):
        text += (rng.choice(_PUNCTUATION) if rng.random() < 0.25 else " ") + rng.choice(language.words)
    if rng.random() < 0.05:
        text += " " + rng.choice(_EMOJI)
    return text


def phrase(rng: random.Random, language: Language, words: int) -> str:
    """Return words with blanks between them."""
    return " ".join(rng.choice(language.words) for _ in range(words))


def day(rng: random.Random) -> tuple[int, int, int]:
    """Return a year, a month and a day."""
    return rng.randrange(1990, 2026), rng.randrange(1, 13), rng.randrange(1, 29)


def iso_date(rng: random.Random, _row: int) -> str:
    """Return a date such as 2025-09-24."""
    year, month, number = day(rng)
    return f"{year}-{month:02}-{number:02}"


def dotted_date(rng: random.Random, _row: int) -> str:
    """Return a date such as 24.09.2025."""
    year, month, number = day(rng)
    return f"{number:02}.{month:02}.{year}"


def slashed_date(rng: random.Random, _row: int) -> str:
    """Return a date such as 9/24/2025."""
    year, month, number = day(rng)
    return f"{month}/{number}/{year}"


def written_date(rng: random.Random, _row: int) -> str:
    """Return a date such as Sep 24, 2025."""
    year, month, number = day(rng)
    return f"{_MONTHS[month - 1]} {number}, {year}"


def time_of_day(rng: random.Random, _row: int) -> str:
    """Return a time such as 10:11 or, in one column in two, 10:11:12."""
    return f"{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}"


def timestamp(rng: random.Random, row: int) -> str:
    """Return a date with a time."""
    return f"{iso_date(rng, row)} {time_of_day(rng, row)}"


def iso_timestamp(rng: random.Random, row: int) -> str:
    """Return a time as ISO 8601 has it."""
    return f"{iso_date(rng, row)}T{time_of_day(rng, row)}Z"


def integer(rng: random.Random, _row: int) -> str:
    """Return a whole number."""
    return str(rng.randrange(0, 10 ** rng.randrange(1, 7)))


def number_in_sequence(_rng: random.Random, row: int) -> str:
    """Return the row's number from 1."""
    return str(row + 1)


def decimal_point(rng: random.Random, _row: int) -> str:
    """Return a number such as -12.5."""
    return f"{rng.uniform(-1000, 10000):.{rng.randrange(1, 4)}f}"


def decimal_comma(rng: random.Random, _row: int) -> str:
    """Return a number such as 12,50."""
    return f"{rng.uniform(-100, 10000):.2f}".replace(".", ",")


def thousands_comma(rng: random.Random, _row: int) -> str:
    """Return an amount such as 1,234.50."""
    return f"{rng.uniform(0, 3_000_000):,.2f}"


def thousands_point(rng: random.Random, _row: int) -> str:
    """Return an amount such as 1.234,50."""
    return f"{rng.uniform(0, 3_000_000):,.2f}".translate(str.maketrans(",.", ".,"))


def money(rng: random.Random, _row: int) -> str:
    """Return an amount with a currency."""
    amount = rng.uniform(1, 5000)
    return rng.choice((f"${amount:,.2f}", f"{amount:.2f} EUR", f"€{amount:.2f}", f"£{amount:,.0f}"))


def percent(rng: random.Random, _row: int) -> str:
    """Return a percentage."""
    return f"{rng.uniform(0, 100):.1f}%"


def measure(rng: random.Random, _row: int) -> str:
    """Return a number with a unit."""
    return f"{rng.randrange(1, 900)} {rng.choice(('kg', 'm/s', 'mm', '°C', 'kWh'))}"


def coordinate(rng: random.Random, _row: int) -> str:
    """Return a coordinate such as 52.52001."""
    return f"{rng.uniform(-90, 90):.5f}"


def comma_pair(rng: random.Random, _row: int) -> str:
    """Return latitude and longitude such as 52.52,13.4."""
    return f"{rng.uniform(-90, 90):.4f},{rng.uniform(-180, 180):.4f}"


def uuid(rng: random.Random, _row: int) -> str:
    """Return a UUID."""
    digits = f"{rng.getrandbits(128):032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def ip_address(rng: random.Random, _row: int) -> str:
    """Return an IPv4 address."""
    return ".".join(str(rng.randrange(256)) for _ in range(4))


def mac_address(rng: random.Random, _row: int) -> str:
    """Return a MAC address, which is full of colons."""
    return ":".join(f"{rng.randrange(256):02x}" for _ in range(6))


def url(rng: random.Random, _row: int) -> str:
    """Return a URL."""
    query = rng.choice(("", f"?q={rng.randrange(99)}&lang=de", f"?ids={rng.randrange(9)},{rng.randrange(9)}"))
    return f"https://www.example{rng.randrange(99)}.com/{rng.choice(('a/b', 'shop', '~user'))}{query}"


def email(rng: random.Random, row: int) -> str:
    """Return an e-mail address."""
    user = rng.choice(("ada", "Grace.Hopper", "tim_b", "o'neil", "info", "r.m+news"))
    return f"{user}{row}@{rng.choice(('example.com', 'Mail.Example.org', 'firma.example.de'))}"


def phone(rng: random.Random, _row: int) -> str:
    """Return a telephone number."""
    number = rng.randrange(10**6, 10**7)
    return rng.choice(
        (f"+49 30 {number}", f"(0)89/{number}", f"555-{number % 10000:04}", f"+1 (212) {number}")
    )


def boolean(rng: random.Random, _row: int) -> str:
    """Return true or false."""
    return rng.choice(("true", "false"))


def yes_no(rng: random.Random, _row: int) -> str:
    """Return Y or N."""
    return rng.choice("YN")


def code(rng: random.Random, _row: int) -> str:
    """Return an article number."""
    return f"{rng.choice('ABCDEFG')}{rng.choice('XYZ')}-{rng.randrange(10**5):05}"


def semicolon_list(rng: random.Random, _row: int) -> str:
    """Return a list such as red;green;blue."""
    return ";".join(rng.choice(("red", "green", "blue", "black")) for _ in range(rng.randrange(1, 5)))


def comma_list(rng: random.Random, _row: int) -> str:
    """Return a list such as a,b."""
    return ",".join(rng.choice(("red", "green", "blue", "black")) for _ in range(rng.randrange(1, 5)))


def bar_list(rng: random.Random, _row: int) -> str:
    """Return a list such as Drama|Comedy."""
    return "|".join(rng.choice(("Drama", "Comedy", "War", "Sci-Fi")) for _ in range(rng.randrange(1, 4)))


def unix_path(rng: random.Random, row: int) -> str:
    """Return a path."""
    return f"/var/log/{rng.choice(('app', 'db'))}/{row}.log"


def windows_path(rng: random.Random, row: int) -> str:
    """Return a path of Windows, which may end in a backslash."""
    return rng.choice(
        ("C:\\temp\\", f"C:\\Users\\ada\\file {row}.txt", "D:\\new\\", f"\\\\server\\share\\{row}")
    )


def json_text(rng: random.Random, row: int) -> str:
    """Return an object in JSON."""
    return (
        f'{{"id": {row}, "tags": ["{rng.choice("abc")}", "x;y"], "ok": {rng.choice(("true", "null"))}, '
        f'"by": "Ada, {rng.randrange(9)}"}}'
    )


def json_list(rng: random.Random, row: int) -> str:
    """Return a list in JSON, which looks like quoted cells."""
    return f'["{rng.choice("abc")}","{row}","x, y"]'


def quotation(rng: random.Random, _row: int) -> str:
    """Return a text with quotes, mostly at its ends."""
    return rng.choice(
        ('"To be" or not', '"quoted"', 'the "best", they say', 'say "hi"', '"', 'a ","', "plain", '""')
    )


def html(rng: random.Random, _row: int) -> str:
    """Return a piece of HTML."""
    return f'<p class="n{rng.randrange(9)}">a &amp; b; <b>c</b>,<br/>d</p>'


def source_code(rng: random.Random, _row: int) -> str:
    """Return a line of code."""
    return rng.choice(
        (
            'print("hi", file=sys.stderr); return 0',
            "SELECT a, b FROM t WHERE c = 'x' AND d <> \"y\"",
            "if (a | b) { c = d[1]; }",
            "x = {'a': 1, 'b': [2, 3]}",
        )
    )
