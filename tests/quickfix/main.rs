//! Interoperation with QuickFIX, as Debian has it (libquickfix 1.15.1): it validates every message of
//! ours by its dictionary, answers our initiator and logs on to our acceptor, and is made to skip
//! numbers, forget numbers, fall silent, hang up and begin again. Each scenario is played in FIX 4.2
//! and 4.4, over kernel TCP and a TAP, in a namespace of its own.

#[path = "../common/mod.rs"]
mod common;

mod acceptor;
mod day;
mod initiator;
mod logs;

use std::process::Command;
use std::time::Duration;

use common::inside::Program;
use common::quickfix::{QuickFix, Stage};
use serde_json::Value;

const BIN: &str = env!("CARGO_BIN_EXE_fixwire");
/// Orders of a run of our initiator.
const ORDERS: usize = 20;

/// Our initiator, on its way to QuickFIX.
fn run(stage: &Stage, settings: &str) -> Program {
    let session = stage.file(
        "run.toml",
        &format!(
            "begin_string = \"{}\"\nreconnect_interval = 1\n{settings}\n",
            stage.version.begin_string
        ),
    );
    let orders = ORDERS.to_string();
    let mut command = Command::new(BIN);
    command.args(["run", "--nic", "tap:fw0", "--json", "--orders", &orders, "--session"]);
    Program::start(command.arg(session))
}

/// Our acceptor, once it listens.
fn accept(stage: &Stage, app: &str, settings: &str) -> Program {
    let session = stage.file(
        "accept.toml",
        &format!("[[session]]\nbegin_string = \"{}\"\n{settings}\n", stage.version.begin_string),
    );
    let mut command = Command::new(BIN);
    command.args(["accept", "--nic", "tap:fw0", "--json", "--app", app, "--session"]);
    let mut acceptor = Program::start(command.arg(session));
    acceptor.event_of("listening");
    acceptor
}

/// Our initiator's run has ended well: every order has its one report, both sides agree on the
/// numbers, and nobody rejected anything.
fn ended_well(run: Program, quickfix: &mut QuickFix) -> Value {
    quickfix.wait_logout();
    let ended = run.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let report = ended.summary();
    let session = &report["session"];
    assert_eq!(session["reports_received"], ORDERS, "{session}");
    assert_eq!(
        (&session["orders_sent"], &session["unexpected_messages"]),
        (&ORDERS.into(), &0.into())
    );
    agree_on_numbers(session, quickfix);
    report
}

fn agree_on_numbers(session: &Value, quickfix: &mut QuickFix) {
    let (out, expected) = quickfix.numbers();
    assert_eq!((&session["next_in"], &session["next_out"]), (&out.into(), &expected.into()));
    assert_eq!(session["counters"]["rejects_sent"], 0);
    assert_eq!(session["counters"]["garbled"], 0);
    quickfix.assert_contented();
}

/// For longer than the 3.6 s after which a heartbeat interval of 3 s has us ask, and shorter than the
/// 7.2 s after which we give up.
fn fall_silent(quickfix: &mut QuickFix) {
    quickfix.signal("STOP");
    std::thread::sleep(Duration::from_millis(5_200));
    quickfix.signal("CONT");
}
