//! A process's own memory in pages of 2 MiB. A core remembers where some two thousand pages lie, and the buffers of thousands of
//! connections are more pages of 4 KiB than that: each frame would wait for the tables that say where.

use std::fs;
use std::io;
use std::ops::Range;

use crate::sys;

/// The length of a large page, in bytes: x86-64's, and arm64's with pages of 4 KiB.
pub const LARGE_PAGE_LEN: usize = 2 << 20;

/// What came of it, in pages of [`LARGE_PAGE_LEN`].
#[derive(Debug, Default)]
pub struct Gathered {
    /// Are there now.
    pub large: usize,
    /// Are made of small pages still.
    pub small: usize,
    /// Why the last of them are.
    pub refusal: Option<io::Error>,
}

/// Puts what this process has of ordinary memory into large pages: its heap, all of which is there afterwards, so that no page of
/// it is first looked for by whoever writes to it, and of its anonymous mappings, threads' stacks left out, what there is of
/// them. What is asked for later is not looked after.
///
/// Takes about a second for each GiB. To be called when all is set up, and before it goes by time: the kernel copies.
///
/// # Errors
/// The kernel does not say what memory there is (`/proc/self/maps`).
pub fn gather() -> io::Result<Gathered> {
    let mut gathered = Gathered::default();
    for area in ordinary(&fs::read_to_string("/proc/self/maps")?) {
        for at in area.at.step_by(LARGE_PAGE_LEN) {
            let populated = if area.is_heap { sys::populate(at, LARGE_PAGE_LEN) } else { Ok(()) };
            match populated.and_then(|()| sys::collapse(at, LARGE_PAGE_LEN)) {
                Ok(()) => gathered.large += 1,
                // Nobody has written to any of it.
                Err(error) if !area.is_heap && error.raw_os_error() == Some(libc::EINVAL) => {}
                Err(error) => {
                    gathered.small += 1;
                    gathered.refusal = Some(error);
                }
            }
        }
    }
    Ok(gathered)
}

/// Whether this kernel makes any: it was built for them, and not told never to.
pub fn are_made() -> bool {
    fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled")
        .is_ok_and(|chosen| !chosen.contains("[never]"))
}

/// Where whole large pages would lie.
#[derive(Debug, PartialEq, Eq)]
struct Area {
    at: Range<usize>,
    is_heap: bool,
}

/// The areas of ordinary memory, by the text of `/proc/PID/maps` (proc(5)).
fn ordinary(maps: &str) -> impl Iterator<Item = Area> {
    let mut guard_end = 0;
    maps.lines().filter_map(move |line| {
        let mut words = line.split_ascii_whitespace();
        let (from, to) = words.next()?.split_once('-')?;
        let hex = |text| usize::from_str_radix(text, 16).ok();
        let (from, to) = (hex(from)?, hex(to)?);
        let rights = words.next()?;
        let inode = words.nth(2)?;
        let is_heap = match words.next() {
            None => false,
            Some("[heap]") => true,
            Some(_) => return None,
        };
        if rights == "---p" {
            guard_end = to;
        }
        // Behind a guard there is the stack of a thread.
        let is_ordinary = rights == "rw-p" && inode == "0" && guard_end != from;
        let (first, end) = (from.next_multiple_of(LARGE_PAGE_LEN), to - to % LARGE_PAGE_LEN);
        (is_ordinary && first < end).then_some(Area { at: first..end, is_heap })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
55d0c0000000-55d0c0a00000 rw-p 00000000 fe:00 1234                       /usr/bin/fixwire
55d0c1100000-55d0c1700000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000600000 r--p 00000000 00:00 0
7f0001000000-7f0001001000 ---p 00000000 00:00 0
7f0001001000-7f0001801000 rw-p 00000000 00:00 0
7f0002000000-7f0002600000 rw-s 00000000 00:01 77                         /dev/hugepages/rtemap_0
7f0003000000-7f0003300000 rw-p 00000000 00:00 0
7f0004100000-7f0004200000 rw-p 00000000 00:00 0
7ffd00000000-7ffd00800000 rw-p 00000000 00:00 0                          [stack]
";

    #[test]
    fn the_heap_and_anonymous_memory_are_ordinary_and_stacks_files_and_guards_are_not() {
        let areas: Vec<_> = ordinary(MAPS).collect();
        assert_eq!(
            areas,
            [
                Area { at: 0x55d0_c120_0000..0x55d0_c160_0000, is_heap: true },
                Area { at: 0x7f00_0300_0000..0x7f00_0320_0000, is_heap: false },
            ]
        );
    }

    /// So much of this process is in large pages, as the kernel says, in KiB.
    fn in_large_pages() -> u64 {
        let text = fs::read_to_string("/proc/self/smaps_rollup").unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("AnonHugePages:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[test]
    fn memory_is_in_large_pages_afterwards_and_what_is_in_it_is_the_same() {
        if !are_made() {
            eprintln!("skipped: this kernel has no transparent hugepages, or is told to make none");
            return;
        }
        let bytes: Vec<u8> = (0..16 << 20).map(|at: usize| (at ^ (at >> 8)) as u8).collect();
        let before = in_large_pages();
        let gathered = gather().unwrap();
        assert!(gathered.large >= 7, "{gathered:?}");
        assert!(in_large_pages() >= before + 7 * 2_048);
        assert!(bytes.iter().enumerate().all(|(at, &byte)| byte == (at ^ (at >> 8)) as u8));
    }
}
