//! What stamps of several ports are whole numbers of: each port may count in a tick of its own.

use super::wire_time::{Grain, WireSpan, WireTime};

/// Ports that are told apart; further ones are taken for one.
const PORTS_MAX: usize = 64;

/// Where a stamp was taken: the file, and the port in it.
pub type Port = (u32, u32);

/// The tick of each port.
#[derive(Clone, Debug, Default)]
pub struct Grains(Vec<(Port, Grain)>);

impl Grains {
    /// Takes in one more stamp.
    pub fn note(&mut self, port: Port, at: WireTime) {
        let place = match self.0.iter().position(|(known, _)| *known == port) {
            Some(place) => place,
            None if self.0.len() == PORTS_MAX => PORTS_MAX - 1,
            None => {
                self.0.push((port, Grain::default()));
                self.0.len() - 1
            }
        };
        self.0[place].1.note(at);
    }

    /// The coarsest of their ticks, unless all are finer than both a picosecond and 2^-40 s: what differences between any two
    /// of their stamps are rounded by.
    pub fn span(&self) -> Option<WireSpan> {
        self.0.iter().filter_map(|(_, grain)| grain.span()).max()
    }

    /// Whether all have the same.
    pub fn are_alike(&self) -> bool {
        self.0.windows(2).all(|two| two[0].1.span() == two[1].1.span())
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
            grains.note((0, 1), ns(step * 1_000));
            grains.note((0, 2), ns(step * 1_001));
        }
        assert_eq!((grains.span(), grains.are_alike()), (Some(WireSpan::from_ns(1_000)), false));
        // The same port of another file.
        grains.note((1, 1), ns(20_000_000));
        assert_eq!(grains.span(), Some(WireSpan::from_ns(20_000_000 / 2)));
        for port in 0..1_000 {
            grains.note((2, port), ns(7));
        }
        assert_eq!(grains.0.len(), PORTS_MAX);
    }
}
