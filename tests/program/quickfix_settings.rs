//! QuickFIX's settings files as they are: one file that libquickfix and we read side by side, and one of ours that we
//! trade by. Each in FIX 4.2 and 4.4, over kernel TCP and a TAP.

use std::process::Command;

use crate::common::inside::Program;
use crate::common::quickfix::{Side, Stage, play};

const BIN: &str = env!("CARGO_BIN_EXE_fixwire");

/// What both sides say of each other in one file: the acceptor's session, and the initiator's.
fn both_sides(stage: &Stage) -> String {
    let (begin_string, dictionary) = (stage.version.begin_string, stage.version.dictionary);
    let store = stage.new_folder();
    format!(
        "# One file for both.\n[DEFAULT]\nBeginString={begin_string}\nStartTime=00:00:00\nEndTime=00:00:00\n\
         HeartBtInt=10\nReconnectInterval=1\nUseDataDictionary=Y\nDataDictionary={dictionary}\n\
         ValidateUserDefinedFields=Y\nFileStorePath={}\n\n\
         [SESSION]\nConnectionType=acceptor\nSenderCompID=EXCHANGE\nTargetCompID=FIXWIRE\nSocketAcceptPort=9878\n\n\
         [SESSION]\nConnectionType=initiator\nSenderCompID=FIXWIRE\nTargetCompID=EXCHANGE\n\
         SocketConnectHost=10.9.0.2\nSocketConnectPort=9878\n",
        store.display()
    )
}

#[test]
fn one_file_is_read_by_quickfix_s_initiator_and_by_our_acceptor() {
    play(
        "quickfix_settings::one_file_is_read_by_quickfix_s_initiator_and_by_our_acceptor",
        |stage| {
            let file = stage.file("both.cfg", &both_sides(stage));
            let mut command = Command::new(BIN);
            command.args([
                "accept",
                "--nic",
                "tap:fw0",
                "--json",
                "--app",
                "exchange",
                "--session",
            ]);
            let mut acceptor = Program::start(command.arg(&file));
            acceptor.event_of("listening");
            let mut quickfix = stage.quickfix_by(Side::Initiator, &file);
            quickfix.wait_logon();
            quickfix.tell(&format!("use {}:FIXWIRE->EXCHANGE", stage.version.begin_string));
            quickfix.tell("order 10");
            quickfix.wait_in("35=8|11=Q10");
            quickfix.tell("logout done");
            quickfix.wait_in("35=5");
            quickfix.wait_logout();
            let ended = acceptor.interrupt();
            assert_eq!(ended.code, Some(0), "{}", ended.errors);
            let summary = ended.summary();
            assert_eq!(summary["app"]["orders_filled"], 10);
            assert_eq!(
                summary["sessions"].as_array().map(Vec::len),
                Some(1),
                "the acceptor's alone"
            );
            let numbers = quickfix.numbers();
            let session = &summary["sessions"][0];
            assert_eq!(
                (&session["next_in"], &session["next_out"]),
                (&numbers.0.into(), &numbers.1.into())
            );
            quickfix.assert_contented();
            let said = "both.cfg:19: this session is left out";
            assert!(ended.errors.contains(said), "{}", ended.errors);
        },
    );
}

#[test]
fn our_initiator_trades_by_a_file_of_quickfix_s() {
    play("quickfix_settings::our_initiator_trades_by_a_file_of_quickfix_s", |stage| {
        let mut quickfix = stage.quickfix(Side::Acceptor, "");
        let text = format!(
            "[DEFAULT]\nConnectionType=initiator\n[SESSION]\nBeginString={}\nSenderCompID=FIXWIRE\n\
             TargetCompID=EXCHANGE\nSocketConnectHost=10.9.0.1\nSocketConnectPort=9878\nHeartBtInt=30\n\
             StartTime=00:00:00\nEndTime=00:00:00\nTimeZone=Europe/London\nSocketNodelay=Y\nDataDictionary={}\n\
             EnableLastMsgSeqNumProcessed=Y\n",
            stage.version.begin_string, stage.version.dictionary
        );
        let file = stage.file("run.cfg", &text);
        let mut command = Command::new(BIN);
        command.args(["run", "--nic", "tap:fw0", "--json", "--orders", "20", "--session"]);
        let run = Program::start(command.arg(&file));
        quickfix.wait_in("35=A|34=1|108=30|369=0");
        quickfix.wait_logout();
        let ended = run.wait();
        assert_eq!(ended.code, Some(0), "{}", ended.errors);
        assert!(
            ended.errors.contains("run.cfg:13: `SocketNodelay` has no meaning here"),
            "{}",
            ended.errors
        );
        assert_eq!(ended.summary()["session"]["reports_received"], 20);
        quickfix.assert_contented();
    });
}
