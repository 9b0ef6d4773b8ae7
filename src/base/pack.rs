//! Numbers and texts packed into bytes, and back: what is kept on disk.
//!
//! Whole numbers are written seven bits at a time, the lowest first (LEB128), so that small ones take a byte; signed ones
//! alternate between the signs first (zigzag). Floats take eight bytes, the lowest first.

/// Appends packed values to a list of bytes.
pub trait Pack {
    /// Appends a whole number.
    fn put_number(&mut self, number: u64);

    /// Appends a signed whole number of 128 bits.
    fn put_signed(&mut self, number: i128);

    /// Appends a float, to the bit.
    fn put_float(&mut self, float: f64);

    /// Appends bytes, and how many they are.
    fn put_bytes(&mut self, bytes: &[u8]);

    /// Appends a text, and how long it is.
    fn put_text(&mut self, text: &str) {
        self.put_bytes(text.as_bytes());
    }
}

impl Pack for Vec<u8> {
    fn put_number(&mut self, mut number: u64) {
        while number > 0x7F {
            self.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.push(number as u8);
    }

    fn put_signed(&mut self, number: i128) {
        let mut zigzag = (number << 1 ^ number >> 127).cast_unsigned();
        while zigzag > 0x7F {
            self.push(zigzag as u8 | 0x80);
            zigzag >>= 7;
        }
        self.push(zigzag as u8);
    }

    fn put_float(&mut self, float: f64) {
        self.extend_from_slice(&float.to_bits().to_le_bytes());
    }

    fn put_bytes(&mut self, bytes: &[u8]) {
        self.put_number(bytes.len() as u64);
        self.extend_from_slice(bytes);
    }
}

/// Packed bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Damaged(pub &'static str);

/// Packed values that are read one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'b>(&'b [u8]);

impl<'b> Packed<'b> {
    /// The values in `bytes`.
    pub fn new(bytes: &'b [u8]) -> Packed<'b> {
        Packed(bytes)
    }

    /// Whether everything was read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A byte.
    pub fn byte(&mut self) -> Result<u8, Damaged> {
        let (byte, rest) = self.0.split_first().ok_or(Damaged("it ends too early"))?;
        self.0 = rest;
        Ok(*byte)
    }

    /// What [`Pack::put_number`] wrote.
    pub fn number(&mut self) -> Result<u64, Damaged> {
        let number = self.leb128()?;
        u64::try_from(number).map_err(|_| Damaged("a number is too large"))
    }

    /// The same, as a size or an index, which is at most `most`.
    pub fn size(&mut self, most: usize) -> Result<usize, Damaged> {
        let size = usize::try_from(self.number()?).ok().filter(|size| *size <= most);
        size.ok_or(Damaged("a size is too large"))
    }

    /// What [`Pack::put_signed`] wrote.
    pub fn signed(&mut self) -> Result<i128, Damaged> {
        let zigzag = self.leb128()?;
        Ok((zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed()))
    }

    fn leb128(&mut self) -> Result<u128, Damaged> {
        let mut number = 0;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7F);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Damaged("a number is too long"))
    }

    /// What [`Pack::put_float`] wrote.
    pub fn float(&mut self) -> Result<f64, Damaged> {
        let (float, rest) = self.0.split_first_chunk().ok_or(Damaged("it ends too early"))?;
        self.0 = rest;
        Ok(f64::from_bits(u64::from_le_bytes(*float)))
    }

    /// What [`Pack::put_bytes`] wrote.
    pub fn bytes(&mut self) -> Result<&'b [u8], Damaged> {
        let len = self.size(self.0.len())?;
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(Damaged("it ends too early"))?;
        self.0 = rest;
        Ok(bytes)
    }

    /// What [`Pack::put_text`] wrote.
    pub fn text(&mut self) -> Result<&'b str, Damaged> {
        str::from_utf8(self.bytes()?).map_err(|_| Damaged("a text is not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_packed_comes_back(
            numbers in prop::collection::vec((any::<u64>(), 0u32..64), 0..20),
            signed in prop::collection::vec((any::<i128>(), 0u32..128), 0..20),
            floats in prop::collection::vec(any::<f64>(), 0..20),
            texts in prop::collection::vec(any::<String>(), 0..5),
        ) {
            let mut bytes = Vec::new();
            numbers.iter().for_each(|(number, shift)| bytes.put_number(number >> shift));
            signed.iter().for_each(|(number, shift)| bytes.put_signed(number >> shift));
            floats.iter().for_each(|float| bytes.put_float(*float));
            texts.iter().for_each(|text| bytes.put_text(text));
            let mut packed = Packed::new(&bytes);
            for (number, shift) in numbers {
                prop_assert_eq!(packed.number(), Ok(number >> shift));
            }
            for (number, shift) in signed {
                prop_assert_eq!(packed.signed(), Ok(number >> shift));
            }
            for float in floats {
                prop_assert_eq!(packed.float().map(f64::to_bits), Ok(float.to_bits()));
            }
            for text in texts {
                prop_assert_eq!(packed.text(), Ok(text.as_str()));
            }
            prop_assert!(packed.is_empty());
        }

        #[test]
        fn whatever_is_read_as_packed_panics_nowhere(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut packed = Packed::new(&bytes);
            let reads: [fn(&mut Packed<'_>) -> bool; 4] =
                [|packed| packed.number().is_ok(), |packed| packed.signed().is_ok(), |packed| packed.float().is_ok(), |packed| packed.text().is_ok()];
            prop_assert!((0..).map(|at| reads[at % 4](&mut packed)).take(100).any(|read| !read) || bytes.len() > 30);
        }
    }

    #[test]
    fn numbers_that_are_too_long_or_too_large_are_damaged() {
        assert_eq!(Packed::new(&[0xFF; 30]).number(), Err(Damaged("a number is too long")));
        let mut bytes = Vec::new();
        bytes.put_signed(i128::MAX);
        assert_eq!(Packed::new(&bytes).number(), Err(Damaged("a number is too large")));
        assert_eq!(Packed::new(&[4, 1]).bytes(), Err(Damaged("a size is too large")));
    }
}
