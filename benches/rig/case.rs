//! What is measured, whoever measures it: criterion or callgrind.

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
}

/// One row of the table.
pub struct Case {
    /// What is done, led by the bench's name: `tcp/150 in, 150 out/offloaded`.
    pub what: String,
    /// Who does it: [`US`] or a rival.
    pub who: &'static str,
    /// Whether it is measured with cold caches, too.
    pub cold: bool,
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
            cold: false,
            bytes: None,
            make: Box::new(move || Box::new(make())),
        }
    }

    /// Measured cold, too.
    #[must_use]
    pub fn and_cold(mut self) -> Case {
        self.cold = true;
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
