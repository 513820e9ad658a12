//! Binds the libibverbs and libmlx5 that pkg-config finds: types and constants from their headers, and a C shim
//! for the functions that the headers define themselves.

#[path = "../sys-build/bind.rs"]
mod bind;

use bind::{Bound, fail};

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
    let verbs = probe("libibverbs", "1.0");
    let mlx5 = probe("libmlx5", OLDEST);
    let folders = verbs.include_paths.iter().chain(&mlx5.include_paths);
    let flags: Vec<String> = folders.map(|path| format!("-I{}", path.display())).collect();
    let bound = Bound {
        whose: "rdma-core's",
        functions: FUNCTIONS,
        types: TYPES,
        constants: CONSTANTS,
        nameless: &[],
        flags: &flags,
        shim: "fixwire_mlx5dv_shim",
        sources: &[],
    };
    bound.write();
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
