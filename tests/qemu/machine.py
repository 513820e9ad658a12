"""What the guests need, and how one is run: QEMU and a kernel out of packages, which are unpacked beneath the target
folder and not installed; an initramfs around our programs; QEMU itself, bounded in time."""
import glob
import os
import pathlib
import re
import shutil
import subprocess

PACKAGES = ["qemu-system-x86", "busybox-static", "linux-image-cloud-amd64"]
# The first that plays an 82576.
QEMU_MIN = 8
MODULES = [
    "virt/lib/irqbypass",
    "drivers/iommu/iommufd/iommufd",
    "drivers/vfio/vfio",
    "drivers/vfio/vfio_virqfd",
    "drivers/vfio/vfio_iommu_type1",
    "drivers/vfio/pci/vfio-pci-core",
    "drivers/vfio/pci/vfio-pci",
    "drivers/uio/uio",
    "drivers/uio/uio_pci_generic",
]


class Unavailable(Exception):
    """Why no guest can be run here."""


def run(command, **more):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)


class Parts:
    """QEMU, a kernel and busybox, unpacked in a folder."""

    def __init__(self, cache):
        self.cache = cache
        self.root = cache / "root"
        complete = cache / "complete"
        if not complete.exists():
            shutil.rmtree(self.root, ignore_errors=True)
            self.unpack()
            complete.touch()
        self.kernel = self.one("boot/vmlinuz-*")
        self.busybox = self.one("bin/busybox")
        self.qemu = self.one("usr/bin/qemu-system-x86_64")
        libraries = [str(path) for path in (self.root / "usr/lib/x86_64-linux-gnu", self.root / "lib/x86_64-linux-gnu")]
        self.environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries)}
        plays = run([self.qemu, "-device", "help"], env=self.environment).stdout
        if '"igb"' not in plays:
            raise Unavailable("this QEMU plays no 82576 (igb)")

    def one(self, pattern):
        found = sorted(glob.glob(str(self.root / pattern)))
        if not found:
            raise Unavailable(f"no {pattern} in the packages {', '.join(PACKAGES)}")
        return found[-1]

    def unpack(self):
        if not shutil.which("apt-get") or not shutil.which("dpkg"):
            raise Unavailable("there is no apt-get to fetch QEMU by")
        apt = Apt(self.cache / "apt")
        apt.update()
        for package in apt.fetch(PACKAGES):
            # -x: its scripts are not run, and the system does not learn of it.
            done = run(["dpkg", "-x", package, self.root])
            if done.returncode != 0:
                raise Unavailable(f"{package}: {done.stdout.strip()}")
        shutil.rmtree(self.cache / "apt")


class Apt:
    """apt with lists and archives of its own, and with Debian's backports where QEMU is too old."""

    def __init__(self, folder):
        self.folder = folder
        for made in ("lists/partial", "cache/archives/partial", "sources"):
            (folder / made).mkdir(parents=True, exist_ok=True)
        self.options = []
        for key, value in {
            "Dir::Etc::SourceList": "/dev/null",
            "Dir::Etc::SourceParts": folder / "sources",
            "Dir::State::Lists": folder / "lists",
            "Dir::Cache": folder / "cache",
            "Dir::Log": folder,
            "Debug::NoLocking": "true",
            "APT::Sandbox::User": "root",
            "APT::Get::List-Cleanup": "false",
        }.items():
            self.options += ["-o", f"{key}={value}"]

    def apt(self, *arguments):
        done = run(["apt-get", *self.options, "-qq", *arguments])
        if done.returncode != 0:
            why = (done.stdout.strip() or f"exit code {done.returncode}").splitlines()[-1]
            raise Unavailable(f"apt-get {arguments[0]}: {why}")
        return done.stdout

    def update(self):
        self.copy_sources()
        self.apt("update")
        self.suite = []
        if self.version("qemu-system-x86") < QEMU_MIN:
            self.add_backports()
            self.apt("update")

    def copy_sources(self):
        """Only those of the distribution: nobody else's have what is wanted."""
        places = ["/etc/apt/sources.list", *glob.glob("/etc/apt/sources.list.d/*")]
        for place in filter(os.path.isfile, places):
            text = pathlib.Path(place).read_text()
            if re.search(r"debian\.org|ubuntu\.com|/debian\b|/ubuntu\b", text):
                name = "own.list" if place.endswith("sources.list") else os.path.basename(place)
                (self.folder / "sources" / name).write_text(text)

    def version(self, package):
        shown = run(["apt-cache", *self.options, "policy", package]).stdout
        found = re.search(r"Candidate: (?:\d+:)?(\d+)", shown)
        return int(found[1]) if found else 0

    def add_backports(self):
        release = dict(re.findall(r'^(\w+)="?([^"\n]*)', pathlib.Path("/etc/os-release").read_text(), re.M))
        if release.get("ID") != "debian":
            raise Unavailable(f"QEMU {QEMU_MIN} or later is not among the packages of this system")
        sources = "".join(path.read_text() for path in (self.folder / "sources").iterdir())
        codename = release["VERSION_CODENAME"]
        mirror = re.search(r"(?:^URIs:|^deb(?: \[.*\])?)\s+(\S+/debian)/?\s", sources, re.M)
        if not mirror:
            raise Unavailable("no mirror of Debian's among the sources of apt")
        suite = f"{codename}-backports"
        line = f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {mirror[1]} {suite} main\n"
        (self.folder / "sources/backports.list").write_text(line)
        self.suite = ["-t", suite]

    def fetch(self, packages):
        """Each with what it needs and this system lacks."""
        install = ["install", "--download-only", "--no-install-recommends", "-y"]
        # Only QEMU is taken from backports, if it is: a kernel is as good from anywhere.
        self.apt(*install, *self.suite, packages[0])
        self.apt(*install, *packages[1:])
        return glob.glob(str(self.folder / "cache/archives/*.deb"))


def initramfs(parts, programs, files, into):
    """The guest's whole system: our programs with the libraries that they need, busybox, the modules that give a NIC
    to a program."""
    shutil.rmtree(into, ignore_errors=True)
    for folder in ("bin", "dev", "etc", "lib/modules", "proc", "sys", "tmp", "run"):
        (into / folder).mkdir(parents=True)
    shutil.copy(parts.busybox, into / "bin/busybox")
    for name, program in programs.items():
        shutil.copy(program, into / "bin" / name)
        for library in set(re.findall(r"(/\S+\.so\S*)", run(["ldd", program]).stdout)):
            place = into / library[1:]
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(os.path.realpath(library), place)
    for module in MODULES:
        for found in glob.glob(str(parts.root / f"lib/modules/*/kernel/{module}.ko*")):
            name = os.path.basename(found)
            if name.endswith(".xz"):
                content = subprocess.run(["xz", "-dc", found], stdout=subprocess.PIPE, check=True).stdout
                (into / "lib/modules" / name.removesuffix(".xz")).write_bytes(content)
            else:
                shutil.copy(found, into / "lib/modules" / name)
    for name, source in files.items():
        shutil.copy(source, into / name)
    (into / "init").chmod(0o755)
    packed = into.with_suffix(".cpio")
    with open(packed, "wb") as archive:
        names = "\n".join(str(path.relative_to(into)) for path in sorted(into.rglob("*")))
        command = [parts.busybox, "cpio", "-o", "-H", "newc"]
        subprocess.run(command, cwd=into, input=names.encode(), stdout=archive, stderr=subprocess.DEVNULL, check=True)
    return packed


def start(parts, archive, folder, name, more):
    """Starts a guest. Its console is in NAME.console, what it tells of its trials in NAME.told."""
    told = folder / f"{name}.told"
    told.write_text("")
    firmware = ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"]
    command = [parts.qemu, "-machine", "q35,kernel-irqchip=split", "-accel", "tcg,thread=multi", "-cpu", "max"]
    command += [word for place in firmware for word in ("-L", str(parts.root / place))]
    command += ["-smp", "2", "-m", "1024", "-nodefaults", "-display", "none", "-no-reboot"]
    command += ["-serial", f"file:{folder / name}.console", "-serial", f"file:{told}"]
    command += ["-kernel", parts.kernel, "-initrd", str(archive)]
    command += ["-append", f"console=ttyS0 quiet panic=-1 intel_iommu=on fixwire.guest={name}", *more]
    with open(folder / f"{name}.qemu", "w") as words:
        more = {"stdin": subprocess.DEVNULL, "stdout": words, "stderr": words}
        return subprocess.Popen(command, env=parts.environment, **more), told
