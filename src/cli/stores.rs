//! The stores of a file's sessions: opened before there is a device, so that a damaged one is told of first.

use std::cell::Cell;

use fixwire::app::{Application, SessionId};
use fixwire::engine::Engine;
use fixwire::journal_file::FileStore;
use fixwire::offload::nic::Nic;

use super::failure::Failure;
use super::session_file::SessionSettings;

/// Those that there are, until an engine takes them.
#[derive(Default)]
pub(crate) struct Stores(Cell<Vec<(SessionId, Box<FileStore>)>>);

impl Stores {
    /// Takes up the store of each session that has one.
    pub(crate) fn open(sessions: &[SessionSettings]) -> Result<Stores, Failure> {
        let mut stores = Vec::new();
        for (id, settings) in (0..).zip(sessions) {
            if let Some(plan) = &settings.store {
                let store = FileStore::open(plan, &settings.identity());
                let store = store.map_err(|error| Failure::Input(error.to_string()))?;
                stores.push((SessionId(id), Box::new(store)));
            }
        }
        Ok(Stores(Cell::new(stores)))
    }

    /// Those that another process has open until it is taken over from.
    pub(crate) fn later() -> Stores {
        Stores::default()
    }

    /// Has the sessions of an engine go on with them.
    pub(crate) fn keep<N: Nic, A: Application>(&self, engine: &mut Engine<N, A>) {
        for (id, store) in self.0.take() {
            engine.keep_in(id, store);
        }
    }
}
