//! What is measured, whoever measures it: criterion or callgrind.

use std::time::{Duration, Instant};

/// Work in steps that are alike. `run` alone is measured.
pub trait Bench {
    /// How many steps are prepared at once, at most.
    fn batch_max(&self) -> usize {
        1024
    }

    /// Makes what `count` steps need.
    fn prepare(&mut self, _count: usize) {}

    /// Takes `count` steps.
    fn run(&mut self, count: usize);

    /// Looks at what they did.
    fn check(&mut self, _count: usize) {}

    /// Takes `count` steps and says how long they took: together, unless each is to be timed by itself.
    fn time(&mut self, count: usize) -> Duration {
        let begun = Instant::now();
        self.run(count);
        begun.elapsed()
    }

    /// Takes what comes in with the next step out of every cache, where that is a frame.
    fn flush_next(&mut self) {}
}

/// What is where when a step begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caches {
    /// Everything where the steps before it have left it.
    Warm,
    /// The same, but for the frame that comes in.
    FrameInMemory,
    /// Nothing in what a core has to itself.
    OutOfL2,
    /// Nothing in what cores share.
    OutOfL3,
}

impl Caches {
    /// In the order of the table.
    pub const ALL: [Caches; 4] =
        [Caches::Warm, Caches::FrameInMemory, Caches::OutOfL2, Caches::OutOfL3];

    /// As the table has it.
    pub const fn name(self) -> &'static str {
        match self {
            Caches::Warm => "warm",
            Caches::FrameInMemory => "frame in memory",
            Caches::OutOfL2 => "out of L2",
            Caches::OutOfL3 => "out of L3",
        }
    }
}

/// One row of the table.
pub struct Case {
    /// What is done, led by the bench's name: `tcp/150 in, 150 out/offloaded`.
    pub what: String,
    /// Who does it: [`US`] or a rival.
    pub who: &'static str,
    /// How it is measured.
    pub caches: Vec<Caches>,
    /// Whether its instructions are counted: not those of a step that stands in the table under another name.
    pub is_counted: bool,
    /// The bytes that a step goes through, where they are what it costs by.
    pub bytes: Option<usize>,
    /// Sets it up, and shows that its results are right.
    pub make: Box<dyn Fn() -> Box<dyn Bench>>,
}

/// Who we are in [`Case::who`].
pub const US: &str = "fixwire";

impl Case {
    /// A case measured warm.
    pub fn new<B: Bench + 'static>(
        what: impl Into<String>,
        who: &'static str,
        make: impl Fn() -> B + 'static,
    ) -> Case {
        Case {
            what: what.into(),
            who,
            caches: vec![Caches::Warm],
            is_counted: true,
            bytes: None,
            make: Box::new(move || Box::new(make())),
        }
    }

    /// Measured so, too.
    #[must_use]
    pub fn and(mut self, caches: Caches) -> Case {
        self.caches.push(caches);
        self
    }

    /// Timed alone.
    #[must_use]
    pub fn uncounted(mut self) -> Case {
        self.is_counted = false;
        self
    }

    /// Counted alone: too few steps come after each other for a time back to back.
    #[must_use]
    pub fn untimed(mut self) -> Case {
        self.caches.clear();
        self
    }

    /// Told by the byte, too.
    #[must_use]
    pub fn over(mut self, bytes: usize) -> Case {
        self.bytes = Some(bytes);
        self
    }

    /// What callgrind's figures go by.
    pub fn name(&self) -> String {
        format!("{}/{}", self.what, self.who)
    }
}

/// Steps over things in rotation, so that none is foreseen.
pub struct Rotation<T, F> {
    things: Vec<T>,
    at: usize,
    step: F,
}

impl<T, F: FnMut(&T)> Rotation<T, F> {
    /// Does `step` to each of `things` in turn.
    pub fn new(things: Vec<T>, step: F) -> Rotation<T, F> {
        Rotation { things, at: 0, step }
    }
}

impl<T, F: FnMut(&T)> Bench for Rotation<T, F> {
    #[inline(never)]
    fn run(&mut self, count: usize) {
        for _ in 0..count {
            (self.step)(&self.things[self.at]);
            self.at += 1;
            if self.at == self.things.len() {
                self.at = 0;
            }
        }
    }
}
