"""Words that Snowball's Indonesian stemmer gets wrong: add to them when a search shows another."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _derivations(text: str) -> dict[str, str]:
    lines = (line.split(":") for line in text.strip().splitlines())
    return {word: stem.strip() for stem, words in lines for word in words.split()}


# Left whole: Snowball would take a part of the root for an affix. Many would then meet a word of another meaning
# (masalah/masa, Bekasi/bekas, pelangi/langi), the rest would miss their own derivations.
_PLACES = """
bali bekasi bukittinggi sumatera sumatra sulawesi kalimantan selatan tenggara madura melayu merapi singgalang banten
belitung bengkalis bengkulu kerinci kediri sawahlunto sijunjung pariaman pasaman payakumbuh batusangkar koto
singkarak maninjau sianok betawi jambi belanda turki mesir arabia asia
"""
# Roots that begin or end like an affix.
_ROOTS = """
perempuan kelapa kepala kemarau kelinci keluarga sekolah masalah makalah sejarah sedekah segala semua sepeda sepatu
serigala sendiri istri suami pelangi menteri mentari matahari berani berlian misteri materi industri galeri teori
ekonomi sungai negeri nagari nurani sunyi wangi puisi polisi televisi revolusi pelita pelajar permata pertama
perdana persia peristiwa perkara beringin bendera benteng berita bersama kelambu kelompok kemenyan kenangan kebun
kecil kedua ketiga keempat kelima ketua kesatria terompet terapi teratai termos dinas dinding dinasti diskusi
direktori difusi syariah khadijah makkah madinah jumlah rupiah adalah ialah telah setelah sebelah celah olah megah
jenazah hijrah dakwah akhlak muamalah ibadah musyawarah hikmah fatimah pemuda penyair biografi geografi fotografi
filsafat filosofi sosiologi psikologi teknologi biologi antropologi manusia rahasia usia dunia media radio studi
komedi tragedi melodi energi strategi demokrasi koperasi akuntansi informasi komunikasi organisasi administrasi
literasi generasi imigrasi emigrasi transmigrasi budiman setan intan hujan bulan jalan ikan tangan hutan tuhan
salman taman pesan dokan beban insan kesan alasan ruangan jaman zaman teman iman ihsan ramadan ramadhan sultan
sulaiman usman aman awan kawan lawan pahlawan bangsawan sastrawan wartawan ilmuwan pustakawan relawan dermawan
hartawan usahawan seniman hewan
"""
# Minangkabau words and titles, which are no Indonesian derivations.
_MINANGKABAU = """
kaba tambo nagari kemenakan kamanakan mamak penghulu panghulu datuk datuak bundo kanduang sutan pagaruyung
pagaruyuang rantau marantau randai saluang talempong rabab pasambahan batagak balimau turun baralek rangkiang gadang
bagonjong songket pandai sikek silungkang malin deman sabai aluih anggun tungga magek jabang cindua mato siti
nurbaya samsulbahri hanafi hamka navis rusli muis agam luhak limapuluah alam takambang jadi guru
"""
WHOLE = _words(_PLACES + _ROOTS + _MINANGKABAU)

# Irregular: the nasal prefix (me-, pe-) has eaten the root's first letter, or affixes are cut at the wrong place.
IRREGULAR = _derivations(
    """
    makan: memakan makanan pemakan termakan dimakan
    alam: alami alamiah
    anak: anakan beranak peranakan kanakan
    didik: didik didikan mendidik pendidik pendidikan dididik terdidik kependidikan
    ekonomi: berekonomi perekonomian keekonomian
    karang: mengarang pengarang karangan karang
    kelola: mengelola pengelolaan pengelola kelola
    keluarga: kekeluargaan berkeluarga
    kembang: mengembangkan pengembangan pengembang
    kenal: mengenal pengenalan kenal kenalan perkenalan
    kirim: mengirim pengirim pengiriman mengirimkan
    kumpul: kumpulan mengumpulkan pengumpulan kumpul perkumpulan
    masak: masak memasak masakan pemasak
    masalah: permasalahan bermasalah memasalahkan
    pancing: memancing pemancing pancing pancingan
    pelihara: memelihara pemeliharaan pelihara
    pemuda: pemuda kepemudaan
    perempuan: keperempuanan
    perintah: pemerintah pemerintahan memerintah perintah pemerintahannya
    pikir: pemikir pemikiran memikirkan pikiran pikir
    pimpin: pemimpin kepemimpinan memimpin pimpinan pimpin
    program: pemrograman memprogram pemrogram programan
    rantau: perantau perantauan
    rumah: rumah perumahan rumahan serumah
    sastra: sastra kesusastraan kesusasteraan kesastraan susastra
    sejarah: kesejarahan sejarahwan sejarawan bersejarah
    sekolah: bersekolah persekolahan sekolahan menyekolahkan
    syair: kepenyairan syair syairan
    tafsir: menafsirkan penafsiran tafsir tafsiran
    tanam: menanam penanam penanaman menanamkan
    tari: menari penari menarikan
    teliti: meneliti peneliti penelitian teliti ketelitian
    tenun: menenun penenun tenunan tenun pertenunan
    terbit: terbit terbitan menerbitkan penerbit penerbitan diterbitkan
    terjemah: terjemah terjemahan menerjemahkan penerjemah penerjemahan diterjemahkan
    tulis: menulis penulis penulisan menuliskan kepenulisan
    """
)
