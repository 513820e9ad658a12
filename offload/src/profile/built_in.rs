//! The profiles that come with the engine.

use crate::toml_file::TomlFile;

macro_rules! profiles {
    ($($name:literal)*) => {
        /// The profiles that come with the engine: name and text.
        pub const BUILT_IN: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../profiles/", $name, ".toml")))),*];
    };
}

profiles! {
    "default"
    "connectx5" "connectx6dx" "connectx7"
    "e810" "x710" "82599" "82576" "82574"
    "sfc-x2" "ena" "bnxt" "virtio" "vmxnet3"
    "tap" "af_packet" "af_xdp"
    "sim" "rtl"
}

/// The text of a built-in profile.
pub fn built_in(name: &str) -> Option<TomlFile> {
    let (_, text) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
    Some(TomlFile {
        name: name.to_owned(),
        path: format!("built-in profile {name}"),
        text: (*text).to_owned(),
    })
}
