//! Lists of processor cores as the kernel writes them and takes them at boot
//! (Documentation/admin-guide/kernel-parameters.rst, "cpu lists").

/// A list of cores: `0-3,5`, `0-15:2/4` (the first two of each four), `all`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CoreList(Vec<Span>);

/// The first `used` of each `group` cores from `first` to `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    first: u16,
    last: u16,
    used: u16,
    group: u16,
}

impl CoreList {
    /// Reads a list; an empty one, which some kernels write as `(null)`, names no core. `None` for what is
    /// no list.
    pub fn parse(text: &str) -> Option<CoreList> {
        match text.trim() {
            "" | "(null)" => Some(CoreList(Vec::new())),
            "all" => Span::whole(0, u16::MAX).map(|span| CoreList(vec![span])),
            list => list.split(',').map(Span::parse).collect::<Option<_>>().map(CoreList),
        }
    }

    /// Whether it names `core`.
    pub fn contains(&self, core: u16) -> bool {
        self.0.iter().any(|span| span.contains(core))
    }

    /// Whether it names none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The cores, in order, each once.
    pub fn cores(&self) -> Vec<u16> {
        (0..=u16::MAX).filter(|core| self.contains(*core)).collect()
    }
}

impl Span {
    fn whole(first: u16, last: u16) -> Option<Span> {
        (first <= last).then_some(Span { first, last, used: 1, group: 1 })
    }

    fn parse(text: &str) -> Option<Span> {
        let (range, stride) = match text.trim().split_once(':') {
            Some((range, stride)) => (range, Some(stride)),
            None => (text.trim(), None),
        };
        let span = match (range.split_once('-'), stride) {
            (Some((first, last)), _) => Span::whole(number(first)?, number(last)?)?,
            (None, None) => Span::whole(number(range)?, number(range)?)?,
            (None, Some(_)) => return None,
        };
        let Some(stride) = stride else { return Some(span) };
        let (used, group) = stride.split_once('/')?;
        let (used, group) = (number(used)?, number(group)?);
        (1..=group).contains(&used).then_some(Span { used, group, ..span })
    }

    fn contains(self, core: u16) -> bool {
        (self.first..=self.last).contains(&core) && (core - self.first) % self.group < self.used
    }
}

/// Decimal digits only: what `str::parse` takes besides, a sign, the kernel does not.
fn number(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_the_cores_that_the_kernel_means() {
        for (text, cores) in [
            ("", vec![]),
            ("\n", vec![]),
            ("(null)", vec![]),
            ("0", vec![0]),
            ("0-3,5", vec![0, 1, 2, 3, 5]),
            ("5,0-3\n", vec![0, 1, 2, 3, 5]),
            ("2-2", vec![2]),
            ("1-3,2-4", vec![1, 2, 3, 4]),
            ("0-9:2/4", vec![0, 1, 4, 5, 8, 9]),
            ("3-8:1/3,20", vec![3, 6, 20]),
            ("65534-65535", vec![65534, 65535]),
        ] {
            assert_eq!(CoreList::parse(text).unwrap().cores(), cores, "{text:?}");
        }
        let all = CoreList::parse("all").unwrap();
        assert!(all.contains(0) && all.contains(u16::MAX) && !all.is_empty());
    }

    #[test]
    fn what_is_no_list_is_none_and_never_a_guess() {
        for text in [
            "a", "0-", "-3", "3-0", "0,,1", ",", "0-3:2", "0-3:2/", "0-3:0/2", "0-3:3/2", "4:1/2",
            "+1", "1.5", "0-3;5", "65536", "0x3", "1 2", "domain,1",
        ] {
            assert_eq!(CoreList::parse(text), None, "{text:?}");
        }
    }
}
