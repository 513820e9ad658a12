//! Compiles the C peer of `l2_echo`, which the feature `dpdk` alone needs.

fn main() {
    println!("cargo:rerun-if-changed=l2_echo/build.rs");
    #[cfg(feature = "dpdk")]
    peer();
}

/// As fast as the compiler makes it: `-O3` and every instruction of this processor but AVX-512, which valgrind does not
/// know. Ours is given those of any x86-64.
#[cfg(feature = "dpdk")]
fn peer() {
    println!("cargo:rerun-if-changed=l2_echo/peer.c");
    let asked = std::process::Command::new("pkg-config").args(["--cflags", "libdpdk"]).output();
    let flags = asked.map(|asked| String::from_utf8_lossy(&asked.stdout).into_owned());
    let mut build = cc::Build::new();
    build.file("l2_echo/peer.c").opt_level(3).warnings(true);
    for flag in flags.unwrap_or_default().split_whitespace() {
        build.flag(flag);
    }
    // Behind DPDK's own, which names the processor that its libraries were built for.
    build.flag("-march=native").flag("-mno-avx512f").cargo_metadata(false).compile("l2_echo_peer");
    println!("cargo:rustc-link-search=native={}", std::env::var("OUT_DIR").unwrap_or_default());
}
