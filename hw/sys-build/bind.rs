//! What the build scripts of both bindings do: types and constants out of headers by bindgen, and a C shim for the
//! functions that the headers define themselves.

use std::env;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::process::exit;

/// What is bound of `src/shim.h`.
pub struct Bound<'a> {
    /// Whose headers they are, for people.
    pub whose: &'a str,
    pub functions: &'a [&'a str],
    /// What no function's signature names.
    pub types: &'a [&'a str],
    /// Flags above all: never written by hand.
    pub constants: &'a [&'a str],
    /// One of each enum that has no name, whose values are to be constants by themselves.
    pub nameless: &'a [&'a str],
    /// For the compiler.
    pub flags: &'a [String],
    /// The shim's archive.
    pub shim: &'a str,
    /// Compiled into it beside what bindgen writes.
    pub sources: &'a [&'a str],
}

impl Bound<'_> {
    /// Writes `bindings.rs`, and compiles the shim.
    pub fn write(&self) {
        println!("cargo:rerun-if-changed=src/shim.h");
        println!("cargo:rerun-if-changed=../sys-build/bind.rs");
        let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
        let inline = out.join("inline");
        let mut builder = bindgen::Builder::default()
            .header("src/shim.h")
            .clang_args(self.flags)
            .clang_macro_fallback()
            .clang_macro_fallback_build_dir(&out)
            .wrap_static_fns(true)
            .wrap_static_fns_path(&inline)
            .prepend_enum_name(false)
            .default_enum_style(bindgen::EnumVariation::ModuleConsts)
            .derive_default(true)
            .derive_debug(false)
            .generate_comments(false)
            .formatter(bindgen::Formatter::Prettyplease)
            .use_core();
        for name in self.functions {
            builder = builder.allowlist_function(name);
        }
        for name in self.types {
            builder = builder.allowlist_type(name);
        }
        for name in self.constants {
            builder = builder.allowlist_var(name);
        }
        for name in self.nameless {
            builder = builder.constified_enum(name);
        }
        let bindings = generate(builder).unwrap_or_else(|error| {
            fail(&format!(
                "bindgen cannot read {} headers: {error}\n  install clang: apt-get install libclang-dev",
                self.whose
            ))
        });
        bindings
            .write_to_file(out.join("bindings.rs"))
            .unwrap_or_else(|error| fail(&error.to_string()));
        let here = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        let mut shim = cc::Build::new();
        shim.file(inline.with_extension("c")).files(self.sources);
        shim.include(&here).opt_level(3).warnings(false);
        for flag in self.flags {
            shim.flag(flag);
        }
        shim.compile(self.shim);
    }
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

/// Ends the build with words for whoever started it.
pub fn fail(words: &str) -> ! {
    eprintln!("\n{words}\n");
    exit(1)
}
