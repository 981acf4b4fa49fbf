"""Exceptions for words that Snowball's Indonesian stemmer gets wrong. Add a word when a search shows the need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from services.catalog.analysis.folding import tokens


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _derivations(text: str) -> dict[str, str]:
    lines = (line.split(":") for line in text.strip().splitlines())
    return {word: stem.strip() for stem, words in lines for word in words.split()}


# Words that are not stemmed: Snowball would remove a part of the root as an affix. Many would then match a word of
# another meaning (masalah/masa, Bekasi/bekas, pelangi/langi); the others would not match their own derivations.
_PLACES = """
bali bekasi bukittinggi sumatera sumatra sulawesi kalimantan selatan tenggara madura melayu merapi singgalang banten
belitung bengkalis bengkulu kerinci kediri sawahlunto sijunjung pariaman pasaman payakumbuh batusangkar koto singkarak
maninjau sianok betawi jambi belanda turki mesir arabia asia arab maluku ternate melaka penang kendari pasuruan
priangan siliwangi sumedang meksiko persia brunei taiwan pakistan sudan iran tibet bermuda
"""
# Roots that begin or end with the letters of an affix.
_ROOTS = """
perempuan kelapa kepala kemarau kelinci keluarga sekolah masalah makalah sejarah sedekah segala semua sepeda sepatu
serigala sendiri istri suami pelangi menteri mentari matahari berani berlian misteri materi industri galeri teori
ekonomi sungai negeri nagari nurani sunyi wangi puisi polisi televisi revolusi pelita pelajar permata pertama perdana
persia peristiwa perkara beringin bendera benteng berita bersama kelambu kelompok kemenyan kenangan kebun kecil kedua
ketiga keempat kelima ketua kesatria terompet terapi teratai termos dinas dinding dinasti diskusi direktori difusi
syariah khadijah makkah madinah jumlah rupiah adalah ialah telah setelah sebelah celah olah megah jenazah hijrah dakwah
akhlak muamalah ibadah musyawarah hikmah fatimah pemuda penyair biografi geografi fotografi filsafat filosofi sosiologi
psikologi teknologi biologi antropologi manusia rahasia usia dunia media radio studi komedi tragedi melodi energi
strategi demokrasi koperasi akuntansi informasi komunikasi organisasi administrasi literasi generasi imigrasi emigrasi
transmigrasi budiman setan intan hujan bulan jalan ikan tangan hutan tuhan salman taman pesan dokan beban insan kesan
alasan ruangan jaman zaman teman iman ihsan ramadan ramadhan sultan sulaiman usman aman awan kawan lawan pahlawan
bangsawan sastrawan wartawan ilmuwan pustakawan relawan dermawan hartawan usahawan seniman hewan majalah tetapi menara
perawan perdata persada permesta penjara kelabu pedati melati kemarin kecoa kelana kenanga kencana kenduri kepada
kereta kerikil kerbau kemilau kelakar kembali kemudi kedai ketika kemudian perahu penguin perkutut merdeka mereka mesiu
mestika metode metodologi mentua pepatah pesisir pesantren pesawat pelopor pelbagai pedoman pedagogi periode peribahasa
perspektif permisi permai perunggu pekan pecan pelana pelanduk pena penggal dialog dialek dialektika diagnosis diagram
diameter digital dimensi diplomasi diplomat direktur disertasi disiplin diskon diskriminasi distribusi divisi memoar
memori medali medan median mekanik mekanika meditasi merpati mertua mesin metafora meteor meter mental mentega bentara
benua benalu berapa berhala bersih betina belajar belacan belalang belantara belimbing belukar sebagai sekali sehari
sampai rantai petai pantai partai balai badai serambi senapan setangkai serikat semangka semangat semesta sembilan
delapan selamat selokan selendang seluruh sepanjang seperti seruling tembaga temurun tenaga tentara tentang teladan
telinga tepi terigu teritip terminal tetua teruna tebing tebu nelayan halaman pangeran papan wayang bayi kopi topi padi
pagi mimpi bumi budi puteri putri bidadari mandiri abadi adegan bandai bangkai beranda berahi beruang bingkai diare
difabel mengaji dilema gadai gulai kebaya keliling kemeja kembara kemiri kenari kendali kerabat keramat keramik kerupuk
meriam merica nilai pakai pakaian pelihara pemilu pepaya peluru perisai permaisuri rajawali ramuan serai teliti terima
tirai tunai tunangan tupai untai kepiting kelelawar perangai lestari bupati santri priayi kompeni pribumi sufi nabi
wali kiai haji rezeki rizki tradisi koleksi fiksi aksi reaksi edisi kondisi posisi ambisi profesi presiden agronomi
arkeologi astronomi bibliografi kartografi ekologi ensiklopedi falsafah geometri kosmologi tsunami antologi trilogi
tetralogi otonomi autobiografi otobiografi stensil penisilin islami hewani insani madani jasmani rohani alami
"""
# Words of other languages that the stemmer would cut to another word.
_FOREIGN = """
division divisions discourse distance dioxide dielectric peroxide divine divinity diverse diversion diversions
diversity dipole diego dimuon terrace territory terminal performed performing performance permission permissions
pembroke period periods periodical periodicals people peoples person persons personal personality message messages
dictionary dictionaries director directory medicine medical medieval methods method memory memories
"""
# English words whose plural is found too; otherwise diseases is sease and disease is ease.
_ENGLISH_WHOLE = """
african american asian australian austrian brazilian canadian caribbean christian comedian egyptian electrician
european guardian historian human humanitarian indian indonesian iranian italian korean librarian magician malaysian
mathematician musician norwegian ocean palestinian physician politician russian sumatran technician tunisian vegetarian
victorian dialect diamond dictator digestion dinosaur diplomat disability disabled disappointment disaster discipline
discovery disease disorder disorders dispute divorce measure meaning mechanic mechanical memoir menopause menstruation
mental mentality mermaid merchant messenger metal meteor meteorite metaphor metropolis peace peaceful peacock peanut
peasant peatland pedestrian peninsula percentage percussion perimeter personnel pesticide petroleum keeper keyboard
seaweed secret secretary seed seedling senate senior sense separate servant service session settlement settler terror
terrorism terrorist bereavement berry species
"""
# Minangkabau words, titles, places and names; they are not Indonesian derivations.
_MINANGKABAU = """
kaba tambo nagari kemenakan kemanakan kamanakan mamak penghulu panghulu datuk datuak bundo kanduang kanduong sutan
pagaruyung pagaruyuang marantau randai saluang talempong rabab pasambahan batagak balimau turun baralek rangkiang
gadang bagonjong songket pandai sikek silungkang malin deman sabai aluih anggun tungga magek jabang cindua mato siti
nurbaya samsulbahri hanafi hamka navis rusli muis agam luhak limapuluah alam takambang jadi guru surau minang
minangkabau lamin lareh kelarasan koto piliang bodi caniago sumando sumbayang marapi ngarai lapau lepau padusi parewa
palasik pusako pusaka rendang basa basandi syarak kitabullah adaik urang awak manjapuik malamang baju kuruang
tingkuluak suntiang deta destar karih kurambik silek sitaralak pasumandan batipuah sulit air tabek patah kapau
pariangan sungayang lintau solok salido painan tarusan bayang tiku kinali talu rao bonjol tuanku imam paderi padri
dubalang manti malin urang hulubalang
"""
# Words in names of regions that must be stemmed: pulau finds Kepulauan Riau.
_NO_NAMES = _words("bagian kepulauan pegunungan seribu dan")


def _regions() -> frozenset[str]:
    lines = Path(__file__).with_name("regions.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in tokens(line)) - _NO_NAMES


# Names of provinces, regencies and cities are not derivations: mentawai is not tawa, penajam is not ajam.
ENGLISH_WHOLE = _words(_ENGLISH_WHOLE)
WHOLE = _words(_PLACES + _ROOTS + _FOREIGN + _MINANGKABAU) | _regions() | ENGLISH_WHOLE

# Derivations that the stemmer cuts at the wrong place, and irregular ones.
_IRREGULAR = """
    keliling: mengelilingi berkeliling sekeliling mengelilinginya
    kerja: kerjakan mengerjakan dikerjakan kerjasama
    korupsi: koruptor korup koruptif
    nilai: menilai dinilai penilai penilaian bernilai
    pakai: dipakai terpakai
    pakaian: berpakaian
    pelihara: peliharaan dipelihara terpelihara
    penjara: dipenjarakan memenjarakan terpenjara pemenjaraan dipenjara
    terima: diterima
    tuang: menuang menuangkan penuangan
    makan: memakan makanan pemakan termakan dimakan
    alam: alamiah
    arti: mengerti pengertian dimengerti mengartikan
    anak: anakan beranak peranakan kanakan
    didik: didik didikan mendidik pendidik pendidikan dididik terdidik kependidikan
    ekonomi: berekonomi perekonomian keekonomian makroekonomi mikroekonomi
    guna: pengguna penggunaan menggunakan digunakan
    industri: perindustrian
    kasih: kekasih
    kelola: mengelola pengelolaan pengelola kelola
    keluarga: kekeluargaan berkeluarga
    kembang: mengembangkan pengembangan pengembang perkembangan berkembang terkembang
    manusia: kemanusiaan
    main: pemain permainan bermain mainan dimainkan memainkan
    malas: pemalas kemalasan bermalas
    marah: pemarah kemarahan memarahi dimarahi
    mengaji: pengajian
    masak: masak memasak masakan pemasak
    masalah: permasalahan bermasalah memasalahkan
    merdeka: kemerdekaan memerdekakan
    negara: kenegaraan bernegara
    pemuda: kepemudaan pemudi
    perempuan: keperempuanan
    perintah: pemerintah pemerintahan memerintah perintah
    pertama: pertamina
    rantau: merantau perantau perantauan rantauan dirantau
    program: pemrograman memprogram pemrogram programan
    pulau: kepulauan pulauan
    rumah: rumah perumahan rumahan serumah
    sastra: sastra kesusastraan kesusasteraan kesastraan susastra kesusasteran
    sejarah: kesejarahan sejarahwan sejarawan bersejarah
    sekolah: bersekolah persekolahan sekolahan menyekolahkan
    senjata: bersenjata persenjataan
    surat: persuratan suratan menyurat
    syair: penyair kepenyairan syairan
    ternak: peternakan peternak beternak
    terbit: terbitan
    terjemah: terjemah terjemahan diterjemahkan
    tani: petani pertanian bertani
    tulis: kepenulisan tulisan ditulis tertulis
"""
# Roots whose first letter a nasal prefix replaces (men-ulis, mem-ilih, meng-arang); Snowball does not restore it.
_NASAL_ROOTS = """
tafsir tahan takut tampil tanam tandai tangis tanggung tangkap tangani tantang tanya tari tarik taruh tawar tebar
tebus tegak tekan teladan telaah telusur teliti tembak temu tempuh tenggelam tentang tentu tenun terang terap terbang
terbit terima terjemah tetap timbang timpa tindas tinggal tinjau tolak tolong tonton tukar tulis tumbuh tumpang tunai
tunda tunggu tunjuk tuntut tusuk tutup tutur tuju tular karang kagum kaji kali kandung kejar kembara kendali
kemudi kenal kenang kerja ketahu kira kirim kisah kritik kuasa kubur kumpul kunjung kupas kurung kutip paham pakai
paksa pancing pandang pandu panggil pasang pelihara peluk pesan pijak pikir pilih pimpin pindah pinjam pinta pisah
potong puja puji pukul pulang pulih pupuk putus
"""
_NASALS = {"t": "n", "k": "ng", "p": "m"}
_TAILS = ("", "kan", "i", "an", "wan")
CLITICS = ("nya", "kah", "lah", "pun", "ku", "mu")


def _nasal_derivations() -> Iterator[tuple[str, str]]:
    for root in _NASAL_ROOTS.split():
        for prefix in ("me", "pe", "keper" if root[0] == "k" else "kepe"):
            for tail in _TAILS:
                yield prefix + _NASALS[root[0]] + root[1:] + tail, root


IRREGULAR = {**dict(_nasal_derivations()), **_derivations(_IRREGULAR)}

# Irregular plurals.
ENGLISH = _derivations(
    """
    woman: women
    child: children childrens
    life: lives
    wife: wives
    leaf: leaves
    wolf: wolves
    movie: movies
    cookie: cookies
    zombie: zombies
    series: series
    species: species
    news: news
    photo: photos
    video: videos
    hero: heroes
    idea: ideas
    area: areas
    drama: dramas
    cinema: cinemas
    camera: cameras
    """
)
# Words of any language that only look like English plurals, participles and gerunds.
NOT_ENGLISH = _words(
    """
    proses sukses akses tes les kontes protes stres ekses pes beres gores tokes moses musa hades herpes diabetes
    teks seks kompleks konteks indeks refleks boks faks klimaks sintaks ortodoks paradoks lateks sains ambulans pers
    kurs korps elips gips biseps alquran ons bans lens tejas jones james charles hans mars paris inggris perancis
    prancis anjing kambing kucing cacing banting dinding daging kuning penting pusing saing miring garing kering
    banding tanding gunting genting ranting pancing keping samping asing bising runcing keliling kepiting jaring
    piring baring kancing saring sering guling gasing gaing rotating bening hening lantang lempeng landing pening
    puting putting siling suling tebing terling taring tuding untaing walling gading tanjung ening beijing ming
    penyaring pembanding sanding bandingan ganjing binting canting centing anting gonjing tunjing sinting benting
    ahmed mohamed mohammed muhammed alfred mildred sayyed said united hundred sacred king ring thing things spring
    string bring evening morning during nothing something everything sterling viking wing sing
    """
)
