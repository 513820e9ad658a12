//! A day of trading in moments: on a line that loses, repeats, corrupts and delays frames, cut for moments, hung up on,
//! with both sides killed in the middle of it and taken up again, ended by the clock on the wall and begun anew at 1. What
//! both stores have is compared message by message.

mod line;
#[path = "../../kernel_tcp/relay.rs"]
mod relay;
mod stores;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use fixwire::time::Duration as Span;
use line::Line;
use relay::Faults;
use relay::random::Random;
use stores::{Sent, assert_received, logged_in};

use crate::BIN;
use crate::common::full;
use crate::common::inside::{PATIENCE, Program};
use crate::common::quickfix::{FIX42, FIX44, Message, QuickFix, Side, Stage, play_in};

/// Messages that our log may lack for each time that we are killed: it is written behind the session's back.
const UNLOGGED_MAX: u64 = 64;
/// How long before the day ends, and how long the night is, in seconds.
const EVENING_S: u64 = 6;
const NIGHT_S: u64 = 2;

#[test]
fn our_acceptor_trades_a_day_and_both_stores_agree() {
    let versions = if full() { &[FIX42, FIX44][..] } else { &[FIX44][..] };
    play_in("day::our_acceptor_trades_a_day_and_both_stores_agree", versions, |stage| {
        Day::begin(stage, Side::Initiator, 1).trade_it();
    });
}

#[test]
fn our_initiator_trades_a_day_and_both_stores_agree() {
    let versions = if full() { &[FIX42, FIX44][..] } else { &[FIX42][..] };
    play_in("day::our_initiator_trades_a_day_and_both_stores_agree", versions, |stage| {
        Day::begin(stage, Side::Acceptor, 2).trade_it();
    });
}

/// What goes wrong in mid-trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Cut,
    HungUp,
    WeAreKilled,
    TheyAreKilled,
    BothAreKilled,
}

const EVENTS: [Event; 5] =
    [Event::WeAreKilled, Event::Cut, Event::TheyAreKilled, Event::HungUp, Event::BothAreKilled];

struct Day<'a> {
    stage: &'a Stage,
    /// QuickFIX's; ours is the other.
    side: Side,
    random: Random,
    line: Line,
    folder: PathBuf,
    /// When the day begins and ends, `HH:MM:SS`.
    hours: [String; 2],
    ours: Option<Program>,
    quickfix: Option<QuickFix>,
    /// What QuickFIX's processes before this one have received today.
    heard: Vec<Message>,
    /// What this one had received before today, and how long our log was.
    heard_before: usize,
    logged_before: usize,
    /// Orders that QuickFIX was told to send.
    ordered: u64,
    kills_of_ours: u64,
}

impl<'a> Day<'a> {
    fn begin(stage: &'a Stage, side: Side, seed: u64) -> Day<'a> {
        let faults = Faults {
            loss_percent: 2,
            repeat_percent: 2,
            corrupt_percent: 1,
            delay: Span::from_us(300),
            jitter: Span::from_ms(1),
            seed,
            ..Faults::default()
        };
        let mut day = Day {
            stage,
            side,
            random: Random::new(seed),
            line: Line::new(faults),
            folder: stage.new_folder(),
            hours: ["00:00:00", "00:00:00"].map(String::from),
            ours: None,
            quickfix: None,
            heard: Vec::new(),
            heard_before: 0,
            logged_before: 0,
            ordered: 0,
            kills_of_ours: 0,
        };
        day.start_both();
        day
    }

    fn trade_it(mut self) {
        let rounds = if full() { 60 } else { 2 * EVENTS.len() };
        for round in 0..rounds {
            let event = EVENTS[round % EVENTS.len()];
            self.trade_through(event);
        }
        self.compare();
        self.their().tell("answer all");

        // Both are taken up again by other hours, a few seconds before they close.
        self.end_ours();
        self.end_quickfix();
        let end = unix_s() + EVENING_S;
        self.hours = [end + NIGHT_S, end].map(of_the_clock);
        self.start_both();
        self.trade(20);
        let today = self.compare();
        self.sleep_through_the_night();
        self.trade(20);
        let tomorrow = self.compare();
        for (before, after) in today.iter().zip(&tomorrow) {
            assert!(before.next_out > after.next_out, "both begin at 1 with the day");
        }
        assert!(stores::ours(&self.journal()).1 >= today[0].messages.len(), "yesterday's are kept");

        self.end_ours();
        let harm = self.line.end();
        println!("frames lost, repeated, corrupted: {harm:?}; {today:?}");
        assert!(harm.iter().all(|count| *count > 0), "the line does no harm: {harm:?}");
    }

    /// Something goes wrong while orders are under way.
    fn trade_through(&mut self, event: Event) {
        println!("event: {event:?}");
        let orders = 20 + self.random.below(40);
        self.give_orders(orders);
        let before = self.random.below(40);
        std::thread::sleep(Duration::from_millis(before));
        match event {
            Event::Cut => {
                let span = 100 + self.random.below(if full() { 4_000 } else { 600 });
                self.line.cut(true);
                std::thread::sleep(Duration::from_millis(span));
                self.line.cut(false);
            }
            Event::HungUp => self.their().tell("disconnect"),
            Event::WeAreKilled => self.kill_ours(),
            Event::TheyAreKilled => self.end_quickfix(),
            Event::BothAreKilled => {
                self.kill_ours();
                self.end_quickfix();
            }
        }
        self.start_both();
        self.trade(30);
    }

    /// So many orders, and their reports.
    fn trade(&mut self, orders: u64) {
        let (side, before) = (self.side, self.their().count("answered "));
        self.give_orders(orders);
        let last = format!("|11=Q{}|", self.ordered);
        let is_done = |quickfix: &QuickFix| match side {
            Side::Initiator => quickfix.has_received(&["|35=8|", &last]),
            Side::Acceptor => quickfix.count("answered ") >= before + orders as usize,
        };
        assert!(self.their().hear_until(PATIENCE, is_done), "no more is traded");
    }

    /// Our initiator sends orders without being told.
    fn give_orders(&mut self, count: u64) {
        if self.side == Side::Initiator {
            self.their().tell(&format!("order {count}"));
            self.ordered += count;
        }
    }

    /// QuickFIX answers no more; once nothing is under way but heartbeats, both stores are held against each other, and against what the other side
    /// received. What ours and theirs have.
    fn compare(&mut self) -> [Sent; 2] {
        self.their().tell("answer 0");
        let deadline = Instant::now() + PATIENCE;
        let (ours, theirs) = loop {
            let ours = stores::ours(&self.journal()).0;
            let theirs = stores::theirs(&self.folder.join("theirs"), &self.name(self.side));
            if (ours.next_out, ours.next_in) == (theirs.next_in, theirs.next_out) {
                break (ours, theirs);
            }
            let numbers = [ours.next_out, theirs.next_in, theirs.next_out, ours.next_in];
            assert!(Instant::now() < deadline, "the numbers do not agree: {numbers:?}");
            self.their().hear_until(Duration::from_millis(50), |_| false);
        };
        let earlier = |messages: Vec<Message>, next: u64| -> Vec<Message> {
            messages.into_iter().filter(|message| message.seq() < next).collect()
        };
        // Said before these numbers were.
        self.their().numbers();
        let of_this_process = self.their().received("").split_off(self.heard_before);
        let heard = [self.heard.clone(), of_this_process].concat();
        let got = assert_received(&ours, &earlier(heard, ours.next_out), "ours");
        assert!(got.iter().copied().eq(1..ours.next_out), "QuickFIX has no word of some: {got:?}");
        self.compare_with_our_log(&theirs);
        self.compare_orders(&ours, &theirs);
        [ours, theirs]
    }

    fn compare_with_our_log(&mut self, theirs: &Sent) {
        let ours = self.name(self.our_side());
        let log = self.folder.join(format!("log/{ours}.messages.current.log"));
        let sender = if self.side == Side::Acceptor { "EXCHANGE" } else { "FIXWIRE" };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let logged = logged_in(&log, self.logged_before, sender);
            let logged: Vec<_> =
                logged.into_iter().filter(|message| message.seq() < theirs.next_out).collect();
            let got = assert_received(theirs, &logged, "theirs");
            let missing = theirs.next_out - 1 - got.range(1..theirs.next_out).count() as u64;
            if missing <= self.kills_of_ours * UNLOGGED_MAX {
                println!("of theirs our log has {} numbers, and lacks {missing}", got.len());
                return;
            }
            assert!(Instant::now() < deadline, "our log lacks {missing} of theirs");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Every order in one store has its report in the other.
    fn compare_orders(&self, ours: &Sent, theirs: &Sent) {
        let ids = |sent: &Sent, of: &str| -> BTreeMap<String, u64> {
            let mut ids = BTreeMap::new();
            for message in sent.messages.values().filter(|message| message.has(of)) {
                *ids.entry(message.field(11).to_owned()).or_default() += 1;
            }
            ids
        };
        let (orders, reports) = match self.side {
            Side::Initiator => (ids(theirs, "35=D"), ids(ours, "35=8")),
            Side::Acceptor => (ids(ours, "35=D"), ids(theirs, "35=8")),
        };
        assert!(orders.values().all(|count| *count == 1), "a ClOrdID has two orders: {orders:?}");
        assert!(reports.keys().all(|id| orders.contains_key(id)), "{reports:?} of {orders:?}");
        let unreported: Vec<_> = orders.keys().filter(|id| !reports.contains_key(*id)).collect();
        // Our initiator has one order in flight when QuickFIX stops to answer.
        let in_flight = usize::from(self.side == Side::Acceptor);
        assert!(unreported.len() <= in_flight, "no report was given of {unreported:?}");
        // What we were killed over may come again: at least once, and QuickFIX's application remembers by its store.
        let again: u64 = reports.values().map(|count| count - 1).sum();
        let most = if self.side == Side::Initiator { self.kills_of_ours } else { 0 };
        assert!(again <= most, "{again} orders have a second report: {reports:?}");
        println!("orders {}, with a second report {again}", orders.len());
    }

    /// Both log out when the day ends, and on when the next begins.
    fn sleep_through_the_night(&mut self) {
        let logged_out = |quickfix: &QuickFix| quickfix.count("logout ") > 0;
        assert!(self.their().hear_until(PATIENCE, logged_out), "the day does not end");
        // Numbers and all are over: what was not answered never is.
        self.their().tell("forget");
        self.their().tell("answer all");
        self.heard.clear();
        self.heard_before = self.their().received("").len();
        let log = format!("log/{}.messages.current.log", self.name(self.our_side()));
        // What is written of a session's end is written soon.
        std::thread::sleep(Duration::from_secs(1));
        self.logged_before = std::fs::metadata(self.folder.join(log)).unwrap().len() as usize;
        self.kills_of_ours = 0;
        let before = self.their().count("logon ");
        let logged_on = |quickfix: &QuickFix| quickfix.count("logon ") > before;
        assert!(self.their().hear_until(PATIENCE, logged_on), "no other day begins");
    }

    fn their(&mut self) -> &mut QuickFix {
        self.quickfix.as_mut().expect("QuickFIX runs")
    }

    fn our_side(&self) -> Side {
        if self.side == Side::Acceptor { Side::Initiator } else { Side::Acceptor }
    }

    /// How a side's files are called: its own CompID stands first.
    fn name(&self, side: Side) -> String {
        let parties = if side == Side::Acceptor { "EXCHANGE-FIXWIRE" } else { "FIXWIRE-EXCHANGE" };
        format!("{}-{parties}", self.stage.version.begin_string)
    }

    fn journal(&self) -> PathBuf {
        self.folder.join(format!("ours/{}.journal", self.name(self.our_side())))
    }

    fn start_both(&mut self) {
        if self.ours.is_none() {
            self.ours = Some(self.start_ours());
        }
        if self.quickfix.is_none() {
            let mut quickfix = self.stage.quickfix_by(self.side, &self.their_settings());
            // An order that its process was killed over was never sent.
            let said = quickfix.wait("what it has ordered", |line| line.starts_with("ordered "));
            self.ordered = said["ordered ".len()..].parse().unwrap();
            self.quickfix = Some(quickfix);
        }
    }

    fn start_ours(&self) -> Program {
        let [start, end] = &self.hours;
        let session = self.stage.file(
            "day.toml",
            &format!(
                "[network]\naddress = \"10.9.0.2/24\"\n[default]\nbegin_string = \"{}\"\n\
                 socket_connect_host = \"10.9.0.1\"\nreconnect_interval = 1\nheart_bt_int = 1\n\
                 start_time = \"{start}\"\nend_time = \"{end}\"\nfile_log_path = \"{folder}/log\"\n\
                 store = {{ path = \"{folder}/ours\", size_mib = 8 }}\n",
                self.stage.version.begin_string,
                folder = self.folder.display(),
            ),
        );
        let mut command = Command::new(BIN);
        if self.side == Side::Initiator {
            command.args([
                "accept",
                "--nic",
                "tap:fw0",
                "--json",
                "--app",
                "exchange",
                "--session",
            ]);
            let mut acceptor = Program::start(command.arg(session));
            acceptor.event_of("listening");
            return acceptor;
        }
        let sent = self.journal().exists().then(|| stores::ours(&self.journal()).0);
        let numbers = sent.iter().flat_map(|sent| sent.messages.values());
        let first = numbers.filter_map(|order| order.field(11)[1..].parse::<u64>().ok()).max();
        let first = first.map_or(0, |last| last + 1).to_string();
        command.args(["run", "--nic", "tap:fw0", "--json", "--orders", "1000000000"]);
        command.args(["--first-order", &first, "--connect-timeout", "60", "--session"]);
        Program::start(command.arg(session))
    }

    fn their_settings(&self) -> PathBuf {
        let [start, end] = &self.hours;
        let (us, them, connection) = match self.side {
            Side::Acceptor => ("EXCHANGE", "FIXWIRE", "acceptor\nSocketAcceptPort=9878"),
            Side::Initiator => (
                "FIXWIRE",
                "EXCHANGE",
                "initiator\nSocketConnectHost=10.9.0.2\nSocketConnectPort=9878\nReconnectInterval=1",
            ),
        };
        let version = self.stage.version;
        let store = self.folder.join("theirs");
        self.stage.file(
            "day.cfg",
            &format!(
                "[DEFAULT]\nConnectionType={connection}\nStartTime={start}\nEndTime={end}\nHeartBtInt=1\n\
                 UseDataDictionary=Y\nDataDictionary={}\nFileStorePath={}\n[SESSION]\nBeginString={}\n\
                 SenderCompID={us}\nTargetCompID={them}\n",
                version.dictionary,
                store.display(),
                version.begin_string,
            ),
        )
    }

    fn kill_ours(&mut self) {
        let ours = self.ours.take().expect("ours runs");
        ours.signal("KILL");
        assert_eq!(ours.wait().code, None, "it was killed");
        self.kills_of_ours += 1;
    }

    /// Ours is interrupted: it logs out and ends.
    fn end_ours(&mut self) {
        let ended = self.ours.take().expect("ours runs").interrupt();
        // A run that was interrupted says so by 1.
        assert_eq!(ended.code, Some(i32::from(self.side == Side::Acceptor)), "{}", ended.errors);
    }

    fn end_quickfix(&mut self) {
        let quickfix = self.quickfix.take().expect("QuickFIX runs");
        self.heard.extend(quickfix.kill().split_off(self.heard_before));
        self.heard_before = 0;
    }
}

fn unix_s() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// A second of UTC, as a clock shows it.
fn of_the_clock(unix_s: u64) -> String {
    let of_day = unix_s % 86_400;
    format!("{:02}:{:02}:{:02}", of_day / 3_600, of_day / 60 % 60, of_day % 60)
}
