//! The keys of a store in a file.

use std::path::Path;
use std::time::Duration;

use fixwire::fix::store::journal::Durability;
use fixwire::journal_file::StorePlan;
use fixwire::offload::toml_file::{TomlError, TomlFile};
use serde::Deserialize;
use toml::Spanned;

use super::values::number;

/// `store = { path = "...", ... }`.
#[derive(Clone, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct StoreKeys {
    path: Option<Spanned<String>>,
    durability: Option<Spanned<String>>,
    size_mib: Option<Spanned<i64>>,
    messages: Option<Spanned<i64>>,
    flush_interval_ms: Option<Spanned<i64>>,
}

/// As much as a store may take of a disk, in MiB.
const SIZE_MIB_MAX: i64 = 65_536;
/// As many messages as can be found again: 16 bytes of memory each.
const MESSAGES_MAX: i64 = 16_777_216;

/// These keys, and `base` for those that are not there.
pub(super) fn over(
    keys: Option<&Spanned<StoreKeys>>,
    base: Option<StorePlan>,
    file: &TomlFile,
) -> Result<Option<StorePlan>, TomlError> {
    let Some(keys) = keys else { return Ok(base) };
    let StoreKeys { path, durability, size_mib, messages, flush_interval_ms } = keys.get_ref();
    let folder = match path {
        Some(text) if text.get_ref().is_empty() => {
            return Err(file.bad_value(text, "path", "write the folder that has the stores"));
        }
        // A path is counted from the folder of the file that has it.
        Some(text) => {
            Some(Path::new(&file.path).parent().unwrap_or(Path::new("")).join(text.get_ref()))
        }
        None => None,
    };
    let Some(mut plan) = folder.map(StorePlan::new).or_else(|| base.clone()) else {
        return Err(file.error(
            keys.span(),
            "`store` has no `path`".into(),
            "write the folder that has the stores, such as store = { path = \"stores\" }",
        ));
    };
    if let Some(base) = base {
        plan = StorePlan { folder: plan.folder, ..base };
    }
    if let Some(text) = durability {
        let named = [Durability::None, Durability::Async, Durability::Sync]
            .into_iter()
            .find(|durability| durability.name() == text.get_ref());
        plan.durability = named.ok_or_else(|| {
            file.bad_value(text, "durability", "write \"none\", \"async\" or \"sync\"")
        })?;
    }
    if let Some(mib) = number::<u64>(file, size_mib.as_ref(), "size_mib", 1, SIZE_MIB_MAX)? {
        plan.ring_len = mib << 20;
    }
    if let Some(messages) = number(file, messages.as_ref(), "messages", 1, MESSAGES_MAX)? {
        plan.messages_max = messages;
    }
    let interval = flush_interval_ms.as_ref();
    if let Some(ms) = number(file, interval, "flush_interval_ms", 1, 1_000)? {
        plan.flush_interval = Duration::from_millis(ms);
    }
    Ok(Some(plan))
}
