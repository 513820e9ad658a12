//! Sessions whose counterparties nobody knows beforehand: seats that are kept ready, each for the first who logs on as nobody else.
//!
//! All the memory that they will ever use is taken at the start, and there are as many as were asked for. Who has had a session
//! established once keeps its seat, and its numbers, as long as the process lasts; who has not gives it back.

use super::seat::Seat;
use crate::fix::{CompId, Identity, Role};

/// A CompID that stands for every one.
pub(super) const ANY: &[u8] = b"*";

/// Our CompID and the counterparty's: of a seat that is kept ready, or as a Logon says them.
#[derive(Clone, Debug)]
pub(super) struct CompIds {
    sender: CompId,
    target: CompId,
}

impl CompIds {
    /// Those of a Logon, as we say them; `None` where they are none, or stand for every one.
    pub(super) fn of(identity: &Identity<'_>) -> Option<CompIds> {
        let (sender, target) = (identity.target_comp_id, identity.sender_comp_id);
        let ids = CompIds { sender: CompId::of(sender)?, target: CompId::of(target)? };
        (sender != ANY && target != ANY).then_some(ids)
    }
}

impl Seat {
    /// The template of a seat, if its plan is one.
    pub(super) fn template_of(&self) -> Option<CompIds> {
        let config = &self.plan.config;
        let is_one =
            [&config.sender_comp_id, &config.target_comp_id].iter().any(|id| id.as_bytes() == ANY);
        (is_one && config.role == Role::Acceptor).then(|| CompIds {
            sender: config.sender_comp_id.clone(),
            target: config.target_comp_id.clone(),
        })
    }

    /// Whether it is kept ready, and nobody's yet.
    pub(super) fn is_open(&self) -> bool {
        self.template.is_some() && !self.is_claimed
    }

    /// Whether it is the session of a counterparty that says this of itself; one that is kept ready becomes that.
    pub(super) fn is_theirs(&mut self, ids: Option<CompIds>) -> bool {
        match ids {
            _ if !self.is_open() => true,
            Some(CompIds { sender, target }) => {
                self.claim_as(sender, target);
                true
            }
            None => false,
        }
    }

    pub(super) fn claim_as(&mut self, sender: CompId, target: CompId) {
        self.is_claimed = true;
        self.rename(sender, target);
    }

    /// Gives the seat back where no session came of it.
    pub(super) fn release_unless_used(&mut self) {
        let Some(template) = self.template.clone().filter(|_| self.is_claimed && self.logons == 0)
        else {
            return;
        };
        self.is_claimed = false;
        self.rename(template.sender, template.target);
        // It is kept in memory, where that is never refused.
        let _ = self.session.forget_numbers();
    }

    fn rename(&mut self, sender: CompId, target: CompId) {
        self.session.rename(sender.clone(), target.clone());
        (self.plan.config.sender_comp_id, self.plan.config.target_comp_id) = (sender, target);
    }
}

/// Whether a CompID that is agreed on is the one that was said, or stands for every one.
pub(super) fn fits(agreed: &CompId, said: &[u8]) -> bool {
    agreed.as_bytes() == said || agreed.as_bytes() == ANY
}
