//! Binds the libibverbs and libmlx5 that pkg-config finds: types and constants from their headers, and a C shim
//! for the functions that the headers define themselves.

use std::env;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::exit;

/// The first libmlx5 with `mlx5dv_get_clock_info`: rdma-core 17's.
const OLDEST: &str = "1.4.17";

/// What is bound, header by header.
const FUNCTIONS: &[&str] = &[
    // verbs.h
    "ibv_get_device_list",
    "ibv_free_device_list",
    "ibv_open_device",
    "ibv_close_device",
    "ibv_query_device_ex",
    "ibv_query_rt_values_ex",
    // mlx5dv.h
    "mlx5dv_get_clock_info",
    "mlx5dv_is_supported",
    "mlx5dv_query_device",
    "mlx5dv_ts_to_ns",
];

/// Flags: never written by hand.
const CONSTANTS: &[&str] = &["IBV_VALUES_MASK_.*", "MLX5DV_CONTEXT_MASK_.*"];
const TYPES: &[&str] = &["ibv_values_mask", "mlx5dv_context_comp_mask"];

fn main() {
    println!("cargo:rerun-if-changed=src/shim.h");
    let verbs = probe("libibverbs", "1.0");
    let mlx5 = probe("libmlx5", OLDEST);
    let folders = verbs.include_paths.iter().chain(&mlx5.include_paths);
    let flags: Vec<String> = folders.map(|path| format!("-I{}", path.display())).collect();
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let inline = out.join("inline");
    let mut builder = bindgen::Builder::default()
        .header("src/shim.h")
        .clang_args(&flags)
        .wrap_static_fns(true)
        .wrap_static_fns_path(&inline)
        .prepend_enum_name(false)
        .default_enum_style(bindgen::EnumVariation::ModuleConsts)
        .derive_default(true)
        .derive_debug(false)
        .generate_comments(false)
        .formatter(bindgen::Formatter::Prettyplease)
        .use_core();
    for name in FUNCTIONS {
        builder = builder.allowlist_function(name);
    }
    for name in CONSTANTS {
        builder = builder.allowlist_var(name);
    }
    for name in TYPES {
        builder = builder.allowlist_type(name);
    }
    let bindings = generate(builder).unwrap_or_else(|error| {
        fail(&format!(
            "bindgen cannot read rdma-core's headers: {error}\n  install clang: apt-get install libclang-dev"
        ))
    });
    bindings
        .write_to_file(out.join("bindings.rs"))
        .unwrap_or_else(|error| fail(&error.to_string()));
    compile_shim(&inline.with_extension("c"), &flags);
}

/// What bindgen makes of the headers. Where there is no libclang it panics, and a trace tells nothing to whoever lacks
/// a package.
fn generate(builder: bindgen::Builder) -> Result<bindgen::Bindings, String> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let generated = panic::catch_unwind(AssertUnwindSafe(|| builder.generate()));
    panic::set_hook(hook);
    match generated {
        Ok(generated) => generated.map_err(|error| error.to_string()),
        Err(words) => {
            let words = words.downcast::<String>().map(|words| *words);
            Err(words.unwrap_or_else(|_| "it panicked".to_owned()))
        }
    }
}

/// The functions that the headers define themselves, as functions that can be called.
fn compile_shim(inline: &Path, flags: &[String]) {
    let here = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let mut build = cc::Build::new();
    build.file(inline).include(&here).opt_level(3).warnings(false);
    for flag in flags {
        build.flag(flag);
    }
    build.compile("fixwire_mlx5dv_shim");
}

fn probe(library: &str, oldest: &str) -> pkg_config::Library {
    pkg_config::Config::new().atleast_version(oldest).probe(library).unwrap_or_else(|error| {
        fail(&format!(
            "{library} {oldest} or later (rdma-core 17) is needed for the feature `mlx5dv`:\n  apt-get install \
             libibverbs-dev libclang-dev pkg-config   (Debian 12, Ubuntu 24.04 or later)\nor build it and point \
             PKG_CONFIG_PATH at its {library}.pc\n\n{error}"
        ))
    })
}

fn fail(words: &str) -> ! {
    eprintln!("\n{words}\n");
    exit(1)
}
