//! What happens by chance in a simulation, by its seed.

/// Marsaglia's xorshift.
#[derive(Debug)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u32) -> Chance {
        Chance(u64::from(seed) << 1 | 1)
    }

    /// Whether it does, so many times of 256.
    pub(super) fn happens(&mut self, of_256: u8) -> bool {
        of_256 > 0 && (self.draw() & 0xff) < u64::from(of_256)
    }

    pub(super) fn draw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Fills lanes, whole words of them, with anything.
    pub(super) fn fill(&mut self, lanes: &mut [u8]) {
        for word in lanes.chunks_exact_mut(8) {
            word.copy_from_slice(&self.draw().to_le_bytes());
        }
    }
}
