//! The design, Verilated.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Widths of the stream that are built, in bits.
const WIDTHS: [u32; 2] = [64, 512];
const TOP: &str = "offload_nic";
/// What names another Verilator than the one that the shell finds.
const VERILATOR: &str = "VERILATOR";

/// Of Verilator's run-time, what a design with waves needs.
const RUNTIME: [&str; 3] = ["verilated.cpp", "verilated_fst_c.cpp", "verilated_threads.cpp"];

pub(crate) fn build() -> Result<(), String> {
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(variable("OUT_DIR")?);
    println!("cargo::rerun-if-env-changed={VERILATOR}");
    for watched in ["rtl", "regs", "sim", "build", "blocks.toml"] {
        println!("cargo::rerun-if-changed={watched}");
    }
    let verilator = env::var(VERILATOR).unwrap_or_else(|_| "verilator".into());
    let root = said(Command::new(&verilator).args(["--getenv", "VERILATOR_ROOT"])).map_err(|why| {
        format!(
            "the feature `rtl` needs Verilator 5.006 or later, and {why}; apt-get install verilator, or name one by {VERILATOR}"
        )
    })?;
    let include = Path::new(root.trim()).join("include");

    let mut compiler = cc::Build::new();
    compiler
        .cpp(true)
        .std("c++17")
        .opt_level(2)
        .debug(false)
        .warnings(false)
        // What others wrote: Verilator's headers and what it makes.
        .flag_if_supported("-Wno-unused-parameter")
        .define("VM_TRACE", "1")
        .define("VM_TRACE_FST", "1")
        .define("VM_COVERAGE", "0")
        .define("VM_SC", "0")
        .include(here.join("sim"))
        .include(&include)
        .include(include.join("vltstd"))
        .files(RUNTIME.map(|file| include.join(file)))
        .file(here.join("sim/design.cpp"));
    for width in WIDTHS {
        let made = out.join(format!("verilated-{width}"));
        verilate(&verilator, &here, width, &made)?;
        compiler.include(&made).files(sources(&made)?);
    }
    compiler.try_compile("fixwire_rtl_design").map_err(|error| {
        format!(
            "what Verilator made of {TOP} does not compile: {error}; apt-get install g++ zlib1g-dev"
        )
    })?;
    // FST files are compressed.
    println!("cargo::rustc-link-lib=z");
    Ok(())
}

/// Makes C++ of the design in a folder of its own.
fn verilate(verilator: &str, here: &Path, width: u32, made: &Path) -> Result<(), String> {
    // What an older design left would be compiled as well.
    let _ = fs::remove_dir_all(made);
    let mut command = Command::new(verilator);
    command
        .current_dir(here)
        .args(["--cc", "--top-module", TOP, "-O3", "--x-assign", "unique", "--x-initial", "unique"])
        .args(["--trace-fst", "--no-timing", "--output-split", "20000", "-Wno-fatal"])
        .args([&format!("-GDATA_W={width}"), "--prefix", &format!("V{TOP}_{width}"), "--Mdir"])
        .arg(made)
        .args([
            "regs/generated.vlt",
            "regs/generated/offload_regs_pkg.sv",
            "regs/generated/offload_regs.sv",
        ])
        .arg("rtl/offload_pkg.sv");
    for file in sorted(&here.join("rtl"), "sv")? {
        if !file.ends_with("offload_pkg.sv") {
            command.arg(file);
        }
    }
    said(&mut command)
        .map(drop)
        .map_err(|why| format!("Verilator does not take {TOP} at {width} bits: {why}"))
}

fn sources(made: &Path) -> Result<Vec<PathBuf>, String> {
    sorted(made, "cpp")
}

/// Files of a folder that end so, in the order of their names.
fn sorted(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension() == Some(OsStr::new(extension)));
    files.sort();
    Ok(files)
}

/// What a command says, or why it said nothing.
fn said(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command.output().map_err(|error| format!("`{name}` does not run ({error})"))?;
    if !done.status.success() {
        return Err(format!(
            "`{name}` failed ({})\n{}",
            done.status,
            String::from_utf8_lossy(&done.stderr)
        ));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}: {error}"))
}
