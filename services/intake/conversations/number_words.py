"""The words around a spoken score in six languages: numbers as people say them, and what may stand beside one.

No library reads numbers in all six (num2words writes them, others know some of the languages and no colloquial forms);
eleven numbers are few enough to be ours. Words are written as they are spelled; whoever leaves out accents is
understood all the same.
"""

# ruff: noqa: RUF001 - these letters are Cyrillic and Chinese on purpose

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

_WITHOUT_MARK: Final = str.maketrans("łø", "lo")
"""Letters that Unicode does not take apart into a plain one and a mark."""


def folded(text: str) -> str:
    """In lower case and without accents: what remains when somebody types in a hurry."""
    plain = "".join(letter for letter in unicodedata.normalize("NFD", text.casefold()) if not _is_mark(letter))
    return unicodedata.normalize("NFC", plain).translate(_WITHOUT_MARK)


def _is_mark(letter: str) -> bool:
    return unicodedata.category(letter) == "Mn"


@dataclass(frozen=True)
class Words:
    """One language. `numbers` has the words of 0 to 10, a line each."""

    numbers: str
    doubtful: str
    """Words of `numbers` that mostly mean something else: passed over beside digits."""
    carriers: str
    """What may stand before or after a score and changes nothing about it."""
    points: str
    out_of: str
    """What stands between a score and the ten it is out of."""
    units: str
    """Words that make a number a count of something; a star stands for any ending."""
    beyond: str
    """What makes a number larger than ten, or not whole."""
    scale: str = ""
    """Words that say "out of ten" by themselves."""

    @cached_property
    def spelled(self) -> Mapping[str, int]:
        """Numbers as they are spelled."""
        lines = self.numbers.strip().splitlines()
        return {word: number for number, line in enumerate(lines) for word in line.casefold().split()}

    @cached_property
    def number_of(self) -> Mapping[str, int]:
        """Numbers by their folded words."""
        return {folded(word): number for word, number in self.spelled.items()}


ENGLISH: Final = Words(
    numbers="""
        zero nought naught nil
        one
        two
        three
        four
        five
        six
        seven
        eight
        nine
        ten
    """,
    doubtful="one",
    carriers="""
        a an absolutely about actually again and answer are around as be because but certainly clearly definitely
        easily er for from give gave going go hello hey hi honestly i i'd i'll i'm is it it's its id ill im just
        likely like maybe me meant mine my number ok okay only perhaps please probably rate rated rating say score
        solid strong so sorry sure cheers thank thanks thx that that's thats the then think this to uh um well with
        would yes yeah you your guess choose pick recommend highly guys
    """,
    points="point points pt pts p",
    out_of="out of over",
    units="""
        week* wk wks day* hour* hr hrs minute* min mins second* sec secs month* year* time times star* order* item*
        people person* friend* colleague* call* euro* dollar* pound* percent* thumb* kid kids visit* am pm o'clock km
        mile* kg th st nd rd x product* package* parcel* more less yr yrs complaint* problem* issue* reason* thing*
        question* suggestion*
    """,
    beyond="half quarter hundred hundreds thousand thousands million millions dozen dozens minus negative",
)

CZECH: Final = Words(
    numbers="""
        nula nulu nuly nule nulka nulku
        jeden jedna jedno jednu jednička jedničku jedničky
        dva dvě dvojka dvojku dvojky
        tři trojka trojku trojky
        čtyři čtyry čtyřka čtyřku čtyřky
        pět pětka pětku pětky
        šest šestka šestku šestky
        sedm sedum sedmička sedmičku sedmičky
        osm osum osmička osmičku osmičky
        devět devítka devítku devítky
        deset desítka desítku desítky deseti desíti
    """,
    doubtful="jeden jedna jedno jednu",
    carriers="""
        a ahoj ale asi ano bych byla bylo by body číslo dala dal dám dávám dáme doporučuji doporučuju doporučil
        doporučila děkuji děkuju díky dobrý den za je jen jenom jo já hodnocení hodnotím klidně mi moje můj můžu na no
        odpověď ok prosím protože určitě rovných řekl řekla skóre spíš spíše tak takže tedy to tohle třeba vám volím
        vybírám známka známku že čistá čistou krásných plných promiňte sorry
    """,
    points="bod body bodů bodu b",
    out_of="z ze",
    units="""
        týden týdn* den dny dnů dní dnech hodin* minut* vteřin* měsíc* rok roku roky roků let krát hvězd* korun* kč
        procent* lidi lidé lidí kamarád* přátel* přítel* objednáv* kus* eur* osob* zaměstnan* víc* míň méně problém*
        důvod* věc* stížnost* otáz* připomín*
    """,
    beyond="půl polovina polovinou čtvrt sto stovka stovku tisíc tisíce milion milión mínus minus",
)

POLISH: Final = Words(
    numbers="""
        zero zera zerem
        jeden jedna jedno jedną jedynka jedynkę jedynki
        dwa dwie dwóch dwójka dwójkę dwójki
        trzy trójka trójkę trójki
        cztery czwórka czwórkę czwórki
        pięć piątka piątkę piątki pięciu
        sześć szóstka szóstkę szóstki sześciu
        siedem siódemka siódemkę siódemki siedmiu
        osiem ósemka ósemkę ósemki ośmiu
        dziewięć dziewiątka dziewiątkę dziewiątki dziewięciu
        dziesięć dziesiątka dziesiątkę dziesiątki dziesięciu dycha dychę dyszka dyszkę
    """,
    doubtful="jeden jedna jedno jedną",
    carriers="""
        a ale bo bym chyba cześć dam daję polecam polecę polecił poleciła dałbym dałabym dziękuję dzięki dzień dobry
        hej i ja jest jednak moja moje mój można myślę na no numer ocena ocenę oceniam odpowiedź ok okej pewnie po
        prostu ponieważ powiem powiedziałbym powiedziałabym proszę przepraszam raczej tak tam to tylko wybieram więc
        wynik za zdecydowanie że mocne mocna solidne solidna pełne czyste
    """,
    points="punkt punkty punktów punkta pkt p",
    out_of="na z",
    units="""
        tydzień tygod* dni dniach dzień godzin* minut* sekund* miesi* lat lata rok roku raz razy gwiazd* zł złot*
        procent* osob* osób ludzi znajom* przyjaci* zamów* sztuk* euro więcej mniej problem* powod* powód rzecz* uwag*
        skarg* pytan*
    """,
    beyond="pół połowa połową ćwierć sto stu setka tysiąc tysiące tysięcy milion minus",
)

FINNISH: Final = Words(
    numbers="""
        nolla nollan nollaa
        yksi yks yhden yhtä ykkönen ykkösen ykköstä
        kaksi kaks kahden kakkonen kakkosen kakkosta
        kolme kolmen kolmonen kolmosen kolmosta
        neljä neljän nelonen nelosen nelosta
        viisi viis viiden viitonen viitosen vitonen vitosen vitosta
        kuusi kuus kuuden kuutonen kuutosen kutonen kutosen kutosta
        seitsemän seittemän seiska seiskan seiskaa
        kahdeksan kaheksan kasi kasin kasia kahdeksaa
        yhdeksän yheksän ysi ysin ysiä yhdeksää
        kymmenen kymmene kymppi kympin kymppiä kymmentä
    """,
    doubtful="yhden yhtä",
    carriers="""
        aika anna annan antaisin antaa arvio arvosana arvosanaksi arvosanani ehdottomasti ehkä että hei ihan joo ja
        juu kai kiitos kiitti koska kyllä luku minä mä mielestäni moi mun mutta niin no numero numeron numeroksi ok
        olisi on oon pistemäärä pistettä sanoisin sanon sano siis se suosittelen suosittelisin tämä täysi täydet
        vaikka valitsen varma varmaan varmasti vastaan vastaus vastaukseni vahva varsin selvä selkeä sori
    """,
    points="piste pistettä pisteen p",
    out_of="kautta",
    units="""
        viikko* viiko* päivä* tunti tunnin tuntia minuut* sekun* kuukau* vuosi vuoden vuotta kerta* kerra* tähte*
        tähti tähden euro* prosent* ihmis* henkil* ystäv* tilau* kappale* kpl enemm* vähem* ongelm* syy* asia* kysymy*
        valitu*
    """,
    beyond="puoli puolikas neljännes sata sataa tuhat tuhatta miljoona miinus",
    scale="kymmenestä",
)

RUSSIAN: Final = Words(
    numbers="""
        ноль нуль ноля нуля нолик нолика
        один одна одно одну единица единицу единичка единичку
        два две двух двойка двойку двоечка двоечку
        три трёх тройка тройку троечка троечку
        четыре четырёх четвёрка четвёрку четвёрочка четвёрочку
        пять пяти пятёрка пятёрку пятёрочка пятёрочку
        шесть шести шестёрка шестёрку
        семь семи семёрка семёрку
        восемь восьми восьмёрка восьмёрку
        девять девяти девятка девятку девяточка девяточку
        десять десяти десятка десятку десяточка десяточку
    """,
    doubtful="один одна одно одну",
    carriers="""
        а балл бы в да давайте дал дала дам даю думаю ей ему и конечно ладно мне моя мой моё моей можно на наверное
        наверно ну но оценка оценку оценил оценила оцениваю ответ ок окей пожалуй пожалуйста поставил поставила
        поставлю потому привет просто пусть сказал сказала скажу скорее спасибо рекомендую порекомендую ставлю так
        твёрдая твёрдую твёрдые точно только уверенно уверенная уверенную это цифра число что я здравствуйте добрый
        день вам выбираю извините извиняюсь чистая чистую
    """,
    points="балл балла баллов бал балов б",
    out_of="из",
    units="""
        недел* дня дней день дни час* минут* секунд* месяц* год* лет раз раза звёзд* руб* процент* человек* друз*
        подруг* заказ* штук* евро доллар* больше меньше проблем* причин* вещ* вопрос* жалоб* замечан*
    """,
    beyond="половина половиной пол четверть сто сотня тысяча тысячи тысяч миллион минус",
)

CHINESE: Final = Words(
    numbers="""
        零 〇
        一 壹
        二 两 兩 贰 貳
        三 叁
        四 肆
        五 伍
        六 陆 陸
        七 柒
        八 捌
        九 玖
        十 拾 满分 滿分
    """,
    doubtful="一",
    carriers="""
        我 我会 我會 会 會 给 給 打 选 選 评 評 想 要 吧 啊 呢 哦 了 的 是 大概 应该 應該 可能
        就 觉得 覺得 你们 你們 您 你 谢谢 謝謝 评分 評分 分数 分數 答案 好 嗯 那 因为 因為 但是 可以
        肯定 绝对 絕對 个人 個人 当然 當然 推荐 推薦 本人 这 這 这次 這次 选择 選擇 回答 数字 數字
    """,
    points="分",
    out_of="",
    units="""
        天 周 週 星期 个 個 次 年 月 日 小时 小時 点 點 分钟 分鐘 秒 元 块 塊 星 号 號 人 件 名
        位 岁 歲 遍 回 以上 以下 以内
    """,
    beyond="半 百 千 万 萬 亿 億 负 負",
)

LANGUAGES: Final[Mapping[str, Words]] = {
    "en": ENGLISH,
    "cs": CZECH,
    "pl": POLISH,
    "fi": FINNISH,
    "ru": RUSSIAN,
    "zh": CHINESE,
}


def language_of(tag: str | None) -> str:
    """The language of a BCP 47 tag if it is one of ours, else English."""
    primary = (tag or "").lower().partition("-")[0]
    return primary if primary in LANGUAGES else "en"
