//! What of the answers to one look-up is worth telling.

/// Other values under one sequence number that are still told: a sign of two writers, of whom nobody needs more.
const VALUES_OF_ONE_SEQ: usize = 4;

/// The greatest sequence number that answered so far, and the values under it.
#[derive(Default)]
pub struct Best {
    seq: i64,
    values: Vec<Box<[u8]>>,
}

impl Best {
    /// Whether an answer says something new: a greater number, or the same one with another value.
    pub fn improves(&mut self, seq: i64, value: &[u8]) -> bool {
        if self.values.is_empty() || seq > self.seq {
            self.seq = seq;
            self.values = vec![value.into()];
            return true;
        }
        let more = seq == self.seq
            && self.values.len() < VALUES_OF_ONE_SEQ
            && !self.values.iter().any(|known| **known == *value);
        if more {
            self.values.push(value.into());
        }
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_known_answers_say_nothing() {
        let mut best = Best::default();
        assert!(best.improves(-3, b"a"));
        assert!(best.improves(5, b"a"));
        assert!(!best.improves(5, b"a"));
        assert!(!best.improves(4, b"b"));
        assert!(best.improves(6, b"a"));
    }

    #[test]
    fn other_values_under_one_number_are_told_a_few_times() {
        let mut best = Best::default();
        let told = (0..100_u8)
            .filter(|&byte| best.improves(1, &[byte]))
            .count();
        assert_eq!(told, VALUES_OF_ONE_SEQ);
    }
}
