//! Binds the DPDK that pkg-config finds: types and constants from its headers, and a C shim for the
//! functions that its headers define themselves.

#[path = "../sys-build/bind.rs"]
mod bind;
#[path = "build/static_link.rs"]
mod static_link;

use std::env;
use std::process::Command;

use bind::{Bound, fail};

/// The oldest DPDK with the API that is bound here.
const OLDEST: &str = "22.11";

/// Names the drivers of a static build: `net_mlx5,net_tap`.
const STATIC: &str = "FIXWIRE_DPDK_STATIC";

/// What is bound, header by header. A name that ends in a dot and a star is a family of names.
const FUNCTIONS: &[&str] = &[
    // rte_eal.h, rte_errno.h, rte_dev.h, rte_bus_vdev.h, rte_lcore.h, rte_version.h, rte_log.h
    "rte_eal_init",
    "rte_eal_cleanup",
    "rte_strerror",
    "rte_eal_hotplug_add",
    "rte_eal_hotplug_remove",
    "rte_socket_id",
    "rte_version",
    "rte_version_year",
    "rte_version_month",
    "rte_log_set_global_level",
    "rte_log_register",
    "rte_openlog_stream",
    "fixwire_dpdk_.*",
    // rte_ethdev.h
    "rte_eth_add_rx_callback",
    "rte_eth_remove_rx_callback",
    "rte_eth_dev_adjust_nb_rx_tx_desc",
    "rte_eth_dev_close",
    "rte_eth_dev_conf_get",
    "rte_eth_dev_configure",
    "rte_eth_dev_count_avail",
    "rte_eth_dev_get_mtu",
    "rte_eth_dev_get_name_by_port",
    "rte_eth_dev_get_port_by_name",
    "rte_eth_dev_get_supported_ptypes",
    "rte_eth_dev_info_get",
    "rte_eth_dev_is_valid_port",
    "rte_eth_dev_rx_offload_name",
    "rte_eth_dev_set_mtu",
    "rte_eth_dev_set_ptypes",
    "rte_eth_dev_socket_id",
    "rte_eth_dev_start",
    "rte_eth_dev_stop",
    "rte_eth_dev_tx_offload_name",
    "rte_eth_find_next",
    "rte_eth_macaddr_get",
    "rte_eth_promiscuous_enable",
    "rte_eth_promiscuous_get",
    "rte_eth_read_clock",
    "rte_eth_rx_burst",
    "rte_eth_rx_queue_info_get",
    "rte_eth_rx_queue_setup",
    "rte_eth_stats_get",
    "rte_eth_timesync_adjust_time",
    "rte_eth_timesync_enable",
    "rte_eth_timesync_disable",
    "rte_eth_timesync_read_time",
    "rte_eth_tx_burst",
    "rte_eth_rx_burst_mode_get",
    "rte_eth_tx_burst_mode_get",
    "rte_eth_tx_done_cleanup",
    "rte_eth_tx_prepare",
    "rte_eth_tx_queue_info_get",
    "rte_eth_tx_queue_setup",
    "rte_eth_xstats_get",
    "rte_eth_xstats_get_names",
    // rte_flow.h
    "rte_flow_create",
    "rte_flow_destroy",
    "rte_flow_flush",
    "rte_flow_isolate",
    "rte_flow_query",
    "rte_flow_validate",
    // rte_mempool.h, rte_mbuf.h, rte_mbuf_dyn.h
    "rte_mempool_avail_count",
    "rte_mempool_free",
    "rte_mempool_in_use_count",
    "rte_mempool_lookup",
    "rte_mempool_obj_iter",
    "rte_pktmbuf_alloc",
    "rte_pktmbuf_alloc_bulk",
    "rte_pktmbuf_copy",
    "rte_pktmbuf_free",
    "rte_pktmbuf_free_bulk",
    "rte_pktmbuf_pool_create",
    "rte_mbuf_dyn_rx_timestamp_register",
    "rte_mbuf_dynfield_lookup",
    "rte_mbuf_dynflag_lookup",
    // rte_ring.h and rte_eth_ring.h, for ports that are rings
    "rte_ring_create",
    "rte_ring_free",
    "rte_eth_from_rings",
    // rte_cycles.h
    "rte_get_tsc_hz",
];

/// What no function's signature names: what rules are made of.
const TYPES: &[&str] = &[
    "rte_flow_action_count",
    "rte_flow_action_mark",
    "rte_flow_action_queue",
    "rte_flow_action_type",
    "rte_flow_error_type",
    "rte_flow_item_eth",
    "rte_flow_item_ipv4",
    "rte_flow_item_tcp",
    "rte_flow_item_type",
    "rte_flow_item_vlan",
    "rte_flow_query_count",
    "rte_mbuf_dynfield",
];

/// Constants, flags above all: never written by hand.
const CONSTANTS: &[&str] = &[
    "RTE_ETHDEV_.*",
    "RTE_ETH_.*",
    "RTE_ETHER_.*",
    "RTE_FLOW_.*",
    "RTE_LOG_.*",
    "RTE_MAX_ETHPORTS",
    "RTE_MAX_LCORE",
    "RTE_MAX_QUEUES_PER_PORT",
    "RTE_MBUF_.*",
    "RTE_PKTMBUF_HEADROOM",
    "RTE_PTYPE_.*",
    "RTE_VER_.*",
    "rte_eth_fp_ops",
    "SOCKET_ID_ANY",
    // netinet/in.h, by way of rte_ip.h
    "IPPROTO_ICMP",
];

/// One of each enum that has no name, whose values are to be constants by themselves.
const NAMELESS: &[&str] = &["RTE_MBUF_L2_LEN_BITS"];

fn main() {
    println!("cargo:rerun-if-changed=src/shim.c");
    println!("cargo:rerun-if-changed=build/static_link.rs");
    println!("cargo:rerun-if-env-changed={STATIC}");
    // Drivers to be linked into the program; without, DPDK's shared libraries are used, and load their drivers.
    let drivers = env::var(STATIC).unwrap_or_default();
    let drivers = static_link::names(&drivers).unwrap_or_else(|why| fail(&why));
    println!("cargo:rustc-env=FIXWIRE_DPDK_LINKED={}", drivers.join(","));
    let mut probe = pkg_config::Config::new();
    probe.atleast_version(OLDEST).cargo_metadata(drivers.is_empty());
    let dpdk = probe.probe("libdpdk").unwrap_or_else(|error| stop(&error));
    if !drivers.is_empty()
        && let Err(why) = static_link::link(&drivers, FUNCTIONS)
    {
        fail(&why);
    }
    let flags = compiler_flags(&dpdk);
    let bound = Bound {
        whose: "DPDK's",
        functions: FUNCTIONS,
        types: TYPES,
        constants: CONSTANTS,
        nameless: NAMELESS,
        flags: &flags,
        shim: "fixwire_dpdk_shim",
        sources: &["src/shim.c"],
    };
    bound.write();
}

/// As DPDK wants its headers compiled: its include folders and the processor that it was built for.
fn compiler_flags(dpdk: &pkg_config::Library) -> Vec<String> {
    let mut flags: Vec<String> =
        dpdk.include_paths.iter().map(|path| format!("-I{}", path.display())).collect();
    // pkg-config's crate drops what is neither a folder nor a definition.
    let asked = Command::new("pkg-config").args(["--cflags-only-other", "libdpdk"]).output();
    if let Ok(asked) = asked {
        let others = String::from_utf8_lossy(&asked.stdout).into_owned();
        flags.extend(others.split_whitespace().map(str::to_owned));
    }
    flags
}

fn stop(error: &pkg_config::Error) -> ! {
    let words = error.to_string();
    if let Some(library) = static_link::lacked(&words) {
        fail(&format!(
            "DPDK is installed, and {library}, which it wants, is not:\n  apt-get install {library}-dev   (or whatever \
             package has {library}.pc)\n\n{words}"
        ));
    }
    fail(&format!(
        "DPDK {OLDEST} or later is needed for the feature `dpdk`:\n  apt-get install libdpdk-dev \
         libclang-dev pkg-config   (Debian 12, Ubuntu 24.04 or later)\nor build it and point \
         PKG_CONFIG_PATH at its libdpdk.pc\n\n{words}"
    ))
}
