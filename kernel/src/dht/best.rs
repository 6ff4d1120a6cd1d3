//! What of the answers to one look-up is worth telling.

/// Answers that are told of one look-up at a time; beyond it only those with greater numbers than the least of them.
pub const MOST_TOLD: usize = 16;

/// The answers that were told: those with the greatest sequence numbers.
///
/// Old ones are told as well, since only a reader of the values knows which of them
/// mean something; but whoever replays many of them can't crowd out the newest.
#[derive(Default)]
pub struct Best {
    told: Vec<(i64, Box<[u8]>)>,
}

impl Best {
    /// Whether an answer is to be told.
    pub fn takes(&mut self, seq: i64, value: &[u8]) -> bool {
        if self
            .told
            .iter()
            .any(|(number, known)| *number == seq && **known == *value)
        {
            return false;
        }
        if self.told.len() == MOST_TOLD {
            let least = (0..MOST_TOLD).min_by_key(|&place| self.told[place].0);
            match least {
                Some(place) if self.told[place].0 < seq => drop(self.told.swap_remove(place)),
                _ => return false,
            }
        }
        self.told.push((seq, value.into()));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_once() {
        let mut best = Best::default();
        assert!(best.takes(-3, b"a"));
        assert!(best.takes(5, b"a"));
        assert!(!best.takes(5, b"a"));
        assert!(best.takes(5, b"b"));
        assert!(best.takes(4, b"b"));
    }

    #[test]
    fn many_answers_never_hide_a_newer_one() {
        let mut best = Best::default();
        let told = (0..100_u8).filter(|&byte| best.takes(1, &[byte])).count();
        assert_eq!(told, MOST_TOLD);
        assert!(!best.takes(0, b"old"));
        assert!(best.takes(2, b"new"));
        assert!(!best.takes(2, b"new"));
    }
}
