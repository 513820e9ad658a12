//! How it stands, in the words of a script.

use fixwire::tcp::MessageNumber;
use fixwire::time::Instant;

use crate::parse::{in_ms, state_name};
use crate::play::{Check, Player, same};

impl Player {
    pub(crate) fn look(&mut self, port: u16, what: &str, value: &str) -> Check {
        if what == "count" {
            let (name, count) = value.split_once(' ').ok_or("`count` wants a name and a number")?;
            let found = self.stack.counters().iter().find(|counter| counter.0 == name);
            return same(count, &found.ok_or(format!("{name} is no counter"))?.1.to_string());
        }
        if let "read" | "iss_rise" | "timeout" = what {
            let peer = &self.peers[&port];
            let then = self.stack.next_timeout();
            let found = match what {
                "read" => peer.read.to_string(),
                "iss_rise" => peer.our_iss.since(peer.iss_before).to_string(),
                _ if then == Instant::FAR_FUTURE => "never".into(),
                _ => in_ms(then - Instant::ZERO),
            };
            return same(value, &found);
        }
        if let "message" | "messages" = what {
            return same(value, &self.messages(port, value).unwrap_or("-".into()));
        }
        let info = self.info(port);
        if what == "state" {
            return same(value, &state_name(info.map(|info| info.state)));
        }
        let info = info.ok_or("there is no connection")?;
        let found = match what {
            "cwnd" => info.cwnd.to_string(),
            "rto" => in_ms(info.rto),
            "srtt" => info.srtt.map_or("-".into(), in_ms),
            "snd_wnd" => info.snd_wnd.to_string(),
            "rcv_wnd" => info.rcv_wnd.to_string(),
            "mss" => info.mss.to_string(),
            "user_timeout" => info.user_timeout.map_or("-".into(), in_ms),
            "retransmissions" => info.retransmissions.to_string(),
            "reordered" => info.reordered_by_bytes.to_string(),
            "unread" => info.receive_buffered_bytes.to_string(),
            "unacknowledged" => info.send_buffered_bytes.to_string(),
            "room" => self.peers[&port].id.map_or(0, |id| self.stack.send_room(id)).to_string(),
            "local_port" => info.local.port.to_string(),
            "shifts" => format!("{} {}", info.window_shifts.0, info.window_shifts.1),
            _ => match (info.uses_timestamps, info.uses_sack) {
                (true, true) => "timestamps sack".into(),
                (true, false) => "timestamps".into(),
                (false, true) => "sack".into(),
                (false, false) => "nothing".into(),
            },
        };
        same(value, &found)
    }

    /// How far messages came, in the words of `value`: `NUMBER DELIVERY` of one, or how many there are and how many
    /// of them are acknowledged.
    fn messages(&self, port: u16, value: &str) -> Option<String> {
        let id = self.peers[&port].id?;
        let Some((number, _)) =
            value.split_once(' ').filter(|words| words.1.parse::<u32>().is_err())
        else {
            return self.stack.messages(id).map(|(all, acked)| format!("{all} {acked}"));
        };
        let delivery = self.stack.delivery(id, MessageNumber(number.parse().ok()?));
        Some(format!("{number} {}", delivery.map_or("-".into(), |far| format!("{far:?}"))))
    }
}
