//! With the feature `rtl`: Verilator makes C++ of the design, at each width, and a compiler makes a library of that.
//! Without, nothing.

#[cfg(feature = "rtl")]
#[path = "build/verilated.rs"]
mod verilated;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "rtl")]
    if let Err(why) = verilated::build() {
        eprintln!("{why}");
        println!("cargo::error={}", why.lines().next().unwrap_or_default());
        std::process::exit(1);
    }
}
