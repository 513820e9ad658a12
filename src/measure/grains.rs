//! What stamps of several ports are whole numbers of: each port may count in a tick of its own.

use super::tally::ns;
use super::wire_time::{Grain, Rounding, WireSpan, WireTime};

/// Ports that are told apart; further ones are taken for one.
const PORTS_MAX: usize = 64;

/// Where a stamp was taken: the file, and the port in it.
pub type Port = (u32, u32);

/// The tick of each port.
#[derive(Clone, Debug, Default)]
pub struct Grains {
    ports: Vec<(Port, Grain)>,
    apart: WireSpan,
}

impl Grains {
    /// Takes in one more stamp.
    pub fn note(&mut self, port: Port, at: WireTime) {
        let place = match self.ports.iter().position(|(known, _)| *known == port) {
            Some(place) => place,
            None if self.ports.len() == PORTS_MAX => PORTS_MAX - 1,
            None => {
                self.ports.push((port, Grain::default()));
                self.ports.len() - 1
            }
        };
        self.ports[place].1.note(at);
    }

    /// What stamps of a port are rounded by at the most, as far as those that were taken in tell: few of them may have more in common
    /// than a tick, and none has less.
    pub fn tick(&self, port: Port) -> WireSpan {
        let known = self.ports.iter().find(|(known, _)| *known == port);
        known.or(self.ports.last()).map_or(WireSpan::ZERO, |(_, grain)| grain.most())
    }

    /// What the ports' clocks may be apart besides, as whoever recorded them says.
    pub fn set_apart(&mut self, apart: WireSpan) {
        self.apart = apart;
    }

    /// What the difference of two of their stamps may be wrong by, unless that is less than a picosecond: what those of the coarsest
    /// port are rounded by, and what clocks may be apart.
    pub fn span(&self) -> Option<WireSpan> {
        let rounding = self.rounding().map(Rounding::span);
        let apart = Some(self.apart).filter(|apart| *apart > WireSpan::ZERO);
        match (rounding, apart) {
            (Some(rounding), Some(apart)) => Some(rounding + apart),
            (rounding, apart) => rounding.or(apart),
        }
    }

    fn rounding(&self) -> Option<Rounding> {
        let all = self.ports.iter().filter_map(|(_, grain)| grain.rounding());
        all.max_by_key(|rounding| rounding.span())
    }

    /// The same in words: what stamps are like, and what follows for an interval.
    pub fn in_words(&self) -> String {
        let Some(rounding) = self.rounding() else {
            return "stamps are finer than a picosecond, so that rounding makes an interval wrong by less than 0.001 ns".into();
        };
        let are_alike = self.ports.windows(2).all(|two| two[0].1.rounding() == two[1].1.rounding());
        let stamps = if are_alike { "stamps" } else { "stamps of the coarsest port" };
        let shown = |span: WireSpan| ns(span.as_ps());
        let by = shown(rounding.span());
        let mut words = match rounding {
            Rounding::Tick(tick) => format!(
                "{stamps} are whole numbers of {} apart, so that rounding makes an interval wrong by less than {by}",
                shown(tick)
            ),
            Rounding::Cut { tick, to } => format!(
                "{stamps} are ticks of {}, cut off to {}, so that rounding makes an interval wrong by less than {by}",
                shown(tick),
                shown(to)
            ),
            Rounding::AtLeast(_) => format!(
                "{stamps} are whole numbers of {by}, and too few or too regular to tell their clock's tick by: rounding makes an interval \
                 wrong by as much at least"
            ),
        };
        if self.apart > WireSpan::ZERO {
            words += &format!(
                ", and the two ends' clocks may be {} apart by what the file says of them",
                shown(self.apart)
            );
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coarsest_port_counts_and_ports_without_end_take_no_more_room() {
        let ns = |ns| WireTime::from_s_ns(1_800_000_000, ns);
        let mut grains = Grains::default();
        for step in 1..50 {
            grains.note((0, 1), ns(step * step * 1_000));
            grains.note((0, 2), ns(step * step * 1_000 + step));
        }
        assert_eq!(grains.span(), Some(WireSpan::from_ns(1_000)));
        let words = grains.in_words();
        assert!(
            words.starts_with("stamps of the coarsest port are whole numbers of 1000 ns apart")
        );
        // The same port of another file.
        grains.note((1, 1), ns(20_000_000));
        assert_eq!(grains.span(), Some(WireSpan::from_ns(20_000_000 / 2)));
        assert!(grains.in_words().contains("as much at least"), "{}", grains.in_words());
        assert_eq!(grains.tick((0, 1)), WireSpan::from_ns(1_000));
        assert_eq!(grains.tick((0, 2)), WireSpan::from_ns(1));
        grains.set_apart(WireSpan::from_ns(7));
        assert_eq!(grains.span(), Some(WireSpan::from_ns(20_000_000 / 2 + 7)));
        assert!(
            grains.in_words().ends_with("clocks may be 7 ns apart by what the file says of them")
        );
        for port in 0..1_000 {
            grains.note((2, port), ns(7));
        }
        assert_eq!(grains.ports.len(), PORTS_MAX);
    }
}
