//! What is told of a session's store when it goes on.

use fixwire::fix::store::journal::{Ended, in_words};

/// How a session goes on, in words behind its name.
pub(crate) fn resumed(ended: Ended, (next_out, next_in): (u32, u32), is_proven: bool) -> String {
    let numbers = format!("next out {next_out}, next in {next_in}");
    let how = match ended {
        Ended::New => return format!("begins a new store: {numbers}"),
        Ended::Closed => "which was closed",
        Ended::Killed => "whose process ended without closing it",
        Ended::PowerMayBeLost => {
            "which was not closed before this machine was started: what was not on its disk is lost"
        }
    };
    let doubt = if is_proven {
        ""
    } else {
        "; the disk does not prove that no greater number was used, as durability was \"none\": compare with the \
         counterparty's"
    };
    format!("goes on with its store, {how}: {numbers}{doubt}")
}

/// Which messages' fate is unknown, in words behind a session's name.
pub(crate) fn fate_unknown((from, to): (u32, u32)) -> String {
    format!(
        "MsgSeqNum {} may have been sent by the process before, and is not kept: a gap is filled in its place",
        in_words(&(from..=to))
    )
}
