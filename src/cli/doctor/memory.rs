//! Memory: hugepages, and what takes pages away or moves them.

use fixwire_hw::huge_pages;

use super::Asked;
use super::check::{Check, Subject};
use super::host::{Host, Untold};
use super::nic;

const AREA: &str = "memory";
const HUGEPAGES: Subject = Subject::advised(AREA, "hugepages");
const HUGETLBFS: Subject = Subject::advised(AREA, "hugetlbfs");
const THP: Subject = Subject::advised(AREA, "transparent hugepages");
const SWAP: Subject = Subject::advised(AREA, "swap");

/// What a driver's own memory and the frame buffers of a profile take, in KiB: rounded up from what DPDK's
/// environment takes with some thousand buffers.
const NEEDED_KIB: u64 = 256 * 1024;
/// Below this the program takes ordinary pages, which no NIC reaches.
const KIB_MIN: u64 = huge_pages::MIB_MIN as u64 * 1024;
const RESERVE: &str = "`echo 256 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages`, or boot with \
                       default_hugepagesz=1G hugepagesz=1G hugepages=2";

pub(crate) fn checks(host: &Host, asked: &Asked) -> Vec<Check> {
    vec![hugepages(host, asked), hugetlbfs(host), transparent(host), swap(host)]
}

/// Pages of one folder of sizes, in KiB: reserved, and free of these.
fn pages(host: &Host, folder: &str) -> Result<(u64, u64), Untold> {
    let (mut reserved, mut free) = (0u64, 0u64);
    for size in host.names(folder)? {
        let kib = size.strip_prefix("hugepages-").and_then(|size| size.strip_suffix("kB"));
        let Some(kib) = kib.and_then(|kib| kib.parse::<u64>().ok()) else { continue };
        let count = |what| host.number::<u64>(&format!("{folder}/{size}/{what}"));
        reserved = reserved.saturating_add(kib.saturating_mul(count("nr_hugepages")?));
        free = free.saturating_add(kib.saturating_mul(count("free_hugepages")?));
    }
    Ok((reserved, free))
}

fn hugepages(host: &Host, asked: &Asked) -> Check {
    let subject = HUGEPAGES.required_if(asked.nic.is_some());
    let (reserved, free) = match pages(host, "sys/kernel/mm/hugepages") {
        Ok(pages) => pages,
        Err(untold) if untold.is_absent() => {
            return subject.bad(untold, "a kernel with CONFIG_HUGETLBFS=y");
        }
        Err(untold) => return subject.unknown(untold, "`grep Huge /proc/meminfo`"),
    };
    let found = format!("{} MiB free of {} MiB", free / 1024, reserved / 1024);
    if free < KIB_MIN {
        let least =
            format!("{found}; with fewer than {} MiB no NIC reaches the frames", KIB_MIN / 1024);
        return subject.bad(least, RESERVE);
    }
    if free < NEEDED_KIB {
        return subject.warn(format!("{found}; {} MiB are wanted", NEEDED_KIB / 1024), RESERVE);
    }
    let Some(node) = asked.nic.and_then(|nic| nic::node(host, nic)) else {
        return subject.ok(found);
    };
    let folder = format!("sys/devices/system/node/node{node}/hugepages");
    match pages(host, &folder) {
        Ok((_, near)) if near >= NEEDED_KIB => {
            subject.ok(format!("{found}, {} MiB free on the NIC's node {node}", near / 1024))
        }
        Ok((_, near)) => subject.warn(
            format!("{found}, but {} MiB on the NIC's node {node}", near / 1024),
            format!("`echo 256 > /{folder}/hugepages-2048kB/nr_hugepages`"),
        ),
        // A kernel without nodes has them all where the NIC is.
        Err(_) => subject.ok(found),
    }
}

/// DPDK is started with --in-memory, which maps huge pages without a file: nothing depends on it.
fn hugetlbfs(host: &Host) -> Check {
    const NEEDLESS: &str = "none is needed, as fixwire runs DPDK with --in-memory";
    let mounts = host.text("proc/mounts").unwrap_or_default();
    // fstab(5): device, where, type.
    let mut places = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (place, kind) = (words.next()?, words.next()?);
        (kind == "hugetlbfs").then_some(place)
    });
    HUGETLBFS.ok(match places.next() {
        Some(place) => format!("mounted at {place}; {NEEDLESS}"),
        None => format!("not mounted; {NEEDLESS}"),
    })
}

fn transparent(host: &Host) -> Check {
    const NEVER: &str = "`echo madvise > /sys/kernel/mm/transparent_hugepage/enabled`, or boot with \
                         transparent_hugepage=madvise";
    match host.text("sys/kernel/mm/transparent_hugepage/enabled") {
        Ok(text) => match chosen(&text) {
            Some(word @ ("never" | "madvise")) => THP.ok(word),
            Some(word) => THP.warn(
                format!(
                    "{word}: the kernel gathers and moves pages of any process, also while it runs"
                ),
                NEVER,
            ),
            None => THP.unknown(format!("{text:?} chooses nothing that is known"), NEVER),
        },
        Err(untold) if untold.is_absent() => THP.ok("none: the kernel was built without"),
        Err(untold) => THP.unknown(untold, NEVER),
    }
}

/// The word in brackets, by which sysfs shows what is chosen of several.
fn chosen(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once('[')?;
    rest.split_once(']').map(|(word, _)| word)
}

fn swap(host: &Host) -> Check {
    const OFF: &str = "`swapoff -a`, and take the swap lines out of /etc/fstab";
    match host.text("proc/swaps") {
        Ok(text) => match text.lines().skip(1).count() {
            0 => SWAP.ok("none"),
            areas => {
                // Filename, Type, Size, Used, Priority: sizes in KiB.
                let sizes = text.lines().skip(1).filter_map(|line| {
                    line.split_whitespace().nth(2).and_then(|size| size.parse::<u64>().ok())
                });
                let kib = sizes.fold(0, u64::saturating_add);
                SWAP.warn(format!("{} MiB in areas: {areas}", kib / 1024), OFF)
            }
        },
        Err(untold) if untold.is_absent() => SWAP.ok("none: the kernel was built without"),
        Err(untold) => SWAP.unknown(untold, "`swapon --show`"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::State::{Fail, Ok, Unknown, Warn};
    use super::super::made_host::{MadeHost, asked, assert_state, of};
    use super::*;

    const HUGE: &str = "sys/kernel/mm/hugepages";
    const NIC: &str = "sys/bus/pci/devices/0000:3b:00.0";

    fn with_pages(made: MadeHost, folder: &str, kib: u64, reserved: u64, free: u64) -> MadeHost {
        made.file(&format!("{folder}/hugepages-{kib}kB/nr_hugepages"), &format!("{reserved}\n"))
            .file(&format!("{folder}/hugepages-{kib}kB/free_hugepages"), &format!("{free}\n"))
    }

    fn with_nic() -> Asked {
        Asked { nic: Some("3b:00.0".parse().unwrap()), ..asked() }
    }

    #[test]
    fn hugepages_are_summed_over_sizes_and_required_for_a_nic_alone() {
        for (small, large, free_small, state, says) in [
            (0, 0, 0, Fail, "0 MiB free of 0 MiB"),
            (512, 0, 0, Fail, "0 MiB free of 1024 MiB"),
            (512, 0, 31, Fail, "62 MiB free of 1024 MiB; with fewer than 64 MiB no NIC"),
            (512, 0, 32, Warn, "64 MiB free of 1024 MiB; 256 MiB are wanted"),
            (512, 0, 127, Warn, "254 MiB free of 1024 MiB; 256 MiB are wanted"),
            (512, 0, 128, Ok, "256 MiB free of 1024 MiB"),
            (0, 1, 0, Ok, "1024 MiB free of 1024 MiB"),
        ] {
            let made = with_pages(MadeHost::new(), HUGE, 2048, small, free_small);
            let made = with_pages(made, HUGE, 1_048_576, large, large);
            assert_state(&hugepages(&made.host(), &with_nic()), state, says);
            let advised = if state == Fail { Warn } else { state };
            assert_state(&hugepages(&made.host(), &asked()), advised, says);
        }
        let host = MadeHost::new();
        assert_state(&hugepages(&host.host(), &with_nic()), Fail, "CONFIG_HUGETLBFS");
        let odd = with_pages(MadeHost::new(), HUGE, 2048, 1, 1);
        let odd = odd.file(&format!("{HUGE}/hugepages-2048kB/nr_hugepages"), "many");
        assert_state(&hugepages(&odd.host(), &asked()), Unknown, "not a number");
    }

    #[test]
    fn hugepages_on_another_node_than_the_nic_are_warned_of() {
        for (near, state, says) in
            [(128, Ok, "256 MiB free on the NIC's node 1"), (127, Warn, "but 254 MiB on")]
        {
            let made = MadeHost::new().file(&format!("{NIC}/numa_node"), "1\n");
            let made = with_pages(made, HUGE, 2048, 512, 512);
            let made = with_pages(made, "sys/devices/system/node/node1/hugepages", 2048, 512, near);
            assert_state(&hugepages(&made.host(), &with_nic()), state, says);
        }
    }

    #[test]
    fn a_mount_of_hugetlbfs_is_told_and_its_want_costs_nothing() {
        for (mounts, says) in [
            (
                "proc /proc proc rw 0 0\nhuge /dev/hugepages hugetlbfs rw 0 0\n",
                "mounted at /dev/hugepages; none is needed",
            ),
            ("hugetlbfs /hugetlbfs tmpfs rw 0 0\n", "not mounted; none is needed"),
        ] {
            let made = MadeHost::new().file("proc/mounts", mounts);
            assert_state(&hugetlbfs(&made.host()), Ok, says);
        }
        assert_state(&hugetlbfs(&MadeHost::new().host()), Ok, "--in-memory");
    }

    #[test]
    fn transparent_hugepages_that_are_always_there_are_warned_of() {
        for (text, state, says) in [
            ("always madvise [never]", Ok, "never"),
            ("always [madvise] never", Ok, "madvise"),
            ("[always] madvise never", Warn, "transparent_hugepage=madvise"),
            ("always", Unknown, "chooses nothing"),
        ] {
            let made = MadeHost::new().file("sys/kernel/mm/transparent_hugepage/enabled", text);
            assert_state(&transparent(&made.host()), state, says);
        }
        assert_state(&transparent(&MadeHost::new().host()), Ok, "built without");
    }

    #[test]
    fn swap_areas_are_counted_below_their_heading() {
        let heading = "Filename Type Size Used Priority\n";
        for (lines, state, says) in [
            ("", Ok, "none"),
            (
                "/dev/sda2 partition 2097148 0 -2\n/swap file 1048576 0 -3\n",
                Warn,
                "3071 MiB in areas: 2",
            ),
        ] {
            let made = MadeHost::new().file("proc/swaps", &format!("{heading}{lines}"));
            assert_state(&swap(&made.host()), state, says);
        }
        assert_state(&swap(&MadeHost::new().host()), Ok, "built without");
        assert_state(&swap(&MadeHost::new().folder("proc/swaps").host()), Unknown, "swapon");
    }

    #[test]
    fn each_is_looked_at_once() {
        let checks = checks(&MadeHost::new().host(), &asked());
        for name in ["hugepages", "hugetlbfs", "transparent hugepages", "swap"] {
            of(&checks, name);
        }
    }
}
