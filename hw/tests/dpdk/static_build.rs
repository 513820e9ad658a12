//! What the build says to whoever wants drivers linked in, or lacks a library. Nothing is built here.

#[path = "../../dpdk-sys/build/static_link.rs"]
#[expect(dead_code, unreachable_pub, reason = "it is a build script's, which links")]
mod static_link;

use static_link::{lacked, names};

pub(crate) fn a_static_build_without_a_driver_is_refused() {
    assert_eq!(names(""), Ok(Vec::new()), "it is not set");
    assert_eq!(names("net_mlx5, net_tap,"), Ok(vec!["net_mlx5", "net_tap"]));
    for nothing in [" , ", " ", ","] {
        let words = names(nothing).unwrap_err();
        let said = ["names no driver", "net_mlx5,net_tap", "unset it"];
        assert!(said.iter().all(|part| words.contains(part)), "{words}");
    }
}

pub(crate) fn a_library_that_dpdk_lacks_is_named_by_its_package() {
    // pkg-config's and pkgconf's own words, of a DPDK whose libbsd.pc is gone.
    let said = "Perhaps you should add the directory containing `libbsd.pc'\nto the PKG_CONFIG_PATH environment \
                variable\nPackage 'libbsd', required by 'libdpdk', not found\n";
    assert_eq!(lacked(said), Some("libbsd"));
    assert_eq!(lacked("Package 'libmnl', required by 'libdpdk-libs', not found"), Some("libmnl"));
    assert_eq!(lacked("Package 'libdpdk', required by 'virtual:world', not found"), None);
    assert_eq!(lacked("Package libdpdk was not found in the pkg-config search path."), None);
}
