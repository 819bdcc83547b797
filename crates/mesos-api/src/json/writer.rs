//! Writes JSON straight from what is at hand, without building a document first.
//!
//! An answer such as `/state` is written by closures: an object's closure gets an [`ObjectWriter`], an array's an
//! [`ArrayWriter`], and each field or element is a value to write. Nothing is kept but the text.
//!
//! ```
//! use proffer_mesos_api::json;
//!
//! let mut out = String::new();
//! json::object(&mut out, |state| {
//!     state.string("hostname", "node-1");
//!     state.array("slaves", |slaves| {
//!         for port in [5051_u64, 5052] {
//!             slaves.object(|slave| slave.unsigned("port", port));
//!         }
//!     });
//! });
//! assert_eq!(out, r#"{"hostname":"node-1","slaves":[{"port":5051},{"port":5052}]}"#);
//! ```

use std::fmt::Write;

/// Writes a whole object.
pub fn object(out: &mut String, fields: impl FnOnce(&mut ObjectWriter<'_>)) {
    ValueWriter::new(out).object(fields);
}

/// Writes a whole array.
pub fn array(out: &mut String, elements: impl FnOnce(&mut ArrayWriter<'_>)) {
    ValueWriter::new(out).array(elements);
}

/// Takes one value of any type.
pub struct ValueWriter<'a> {
    out: &'a mut String,
}

impl<'a> ValueWriter<'a> {
    /// Writes at the end of `out`.
    pub fn new(out: &'a mut String) -> Self {
        Self { out }
    }

    /// `null`.
    pub fn null(self) {
        self.out.push_str("null");
    }

    /// `true` or `false`.
    pub fn bool(self, value: bool) {
        self.out.push_str(if value { "true" } else { "false" });
    }

    /// A whole number.
    pub fn signed(self, value: i64) {
        push(self.out, format_args!("{value}"));
    }

    /// A whole number that is not negative.
    pub fn unsigned(self, value: u64) {
        push(self.out, format_args!("{value}"));
    }

    /// A number, in the shortest digits that mean exactly this one, with a decimal point or an exponent. What JSON has
    /// no number for is written as the text that Mesos reads: `"Infinity"`, `"-Infinity"`, `"NaN"`.
    pub fn double(self, value: f64) {
        if value.is_finite() {
            push(self.out, format_args!("{value:?}"));
        } else if value.is_nan() {
            self.string("NaN");
        } else if value > 0.0 {
            self.string("Infinity");
        } else {
            self.string("-Infinity");
        }
    }

    /// A text, with everything beyond ASCII escaped.
    pub fn string(self, value: &str) {
        push_string(self.out, value);
    }

    /// An object; `fields` writes what is in it.
    pub fn object(self, fields: impl FnOnce(&mut ObjectWriter<'_>)) {
        self.out.push('{');
        fields(&mut ObjectWriter { out: self.out, first: true });
        self.out.push('}');
    }

    /// An array; `elements` writes what is in it.
    pub fn array(self, elements: impl FnOnce(&mut ArrayWriter<'_>)) {
        self.out.push('[');
        elements(&mut ArrayWriter { out: self.out, first: true });
        self.out.push(']');
    }
}

/// Takes the fields of an object, in the order in which they are to stand. Names are not checked for duplicates.
pub struct ObjectWriter<'a> {
    out: &'a mut String,
    first: bool,
}

impl ObjectWriter<'_> {
    /// A field whose value is written next.
    pub fn value(&mut self, name: &str) -> ValueWriter<'_> {
        if !std::mem::take(&mut self.first) {
            self.out.push(',');
        }
        push_string(self.out, name);
        self.out.push(':');
        ValueWriter { out: self.out }
    }

    /// A field that is `true` or `false`.
    pub fn bool(&mut self, name: &str, value: bool) {
        self.value(name).bool(value);
    }

    /// A field that is a whole number.
    pub fn signed(&mut self, name: &str, value: i64) {
        self.value(name).signed(value);
    }

    /// A field that is a whole number and not negative.
    pub fn unsigned(&mut self, name: &str, value: u64) {
        self.value(name).unsigned(value);
    }

    /// A field that is a number; see [`ValueWriter::double`].
    pub fn double(&mut self, name: &str, value: f64) {
        self.value(name).double(value);
    }

    /// A field that is a text.
    pub fn string(&mut self, name: &str, value: &str) {
        self.value(name).string(value);
    }

    /// A field that is an object.
    pub fn object(&mut self, name: &str, fields: impl FnOnce(&mut ObjectWriter<'_>)) {
        self.value(name).object(fields);
    }

    /// A field that is an array.
    pub fn array(&mut self, name: &str, elements: impl FnOnce(&mut ArrayWriter<'_>)) {
        self.value(name).array(elements);
    }
}

/// Takes the elements of an array.
pub struct ArrayWriter<'a> {
    out: &'a mut String,
    first: bool,
}

impl ArrayWriter<'_> {
    /// An element that is written next.
    pub fn value(&mut self) -> ValueWriter<'_> {
        if !std::mem::take(&mut self.first) {
            self.out.push(',');
        }
        ValueWriter { out: self.out }
    }

    /// An element that is a text.
    pub fn string(&mut self, value: &str) {
        self.value().string(value);
    }

    /// An element that is an object.
    pub fn object(&mut self, fields: impl FnOnce(&mut ObjectWriter<'_>)) {
        self.value().object(fields);
    }
}

/// Writes into the string, which cannot fail.
fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    let written = out.write_fmt(text);
    debug_assert!(written.is_ok(), "a String takes everything");
}

fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut plain = 0;
    for (index, character) in text.char_indices() {
        let escape = match character {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            ' '..='~' => continue,
            _ => "",
        };
        out.push_str(&text[plain..index]);
        plain = index + character.len_utf8();
        if escape.is_empty() {
            for unit in character.encode_utf16(&mut [0; 2]) {
                push(out, format_args!("\\u{unit:04X}"));
            }
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(&text[plain..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn double(value: f64) -> String {
        let mut out = String::new();
        ValueWriter::new(&mut out).double(value);
        out
    }

    #[test]
    fn doubles_are_written_as_mesos_writes_them() {
        for (value, text) in [
            (15.0, "15.0"),
            (0.1, "0.1"),
            (-0.0, "-0.0"),
            (31000.25, "31000.25"),
            (1_795_364_734.481_337, "1795364734.481337"),
            (f64::INFINITY, "\"Infinity\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
            (f64::NAN, "\"NaN\""),
        ] {
            assert_eq!(double(value), text);
        }
    }

    #[test]
    fn text_is_ascii_on_one_line() {
        let mut out = String::new();
        ValueWriter::new(&mut out).string("a\"\\\n\u{7f}é\u{1F600}\0");
        assert_eq!(out, r#""a\"\\\n\u007F\u00E9\uD83D\uDE00\u0000""#);
    }

    #[test]
    fn empty_containers() {
        let mut out = String::new();
        object(&mut out, |all| {
            all.object("o", |_| {});
            all.array("a", |_| {});
            all.value("n").null();
        });
        array(&mut out, |_| {});
        assert_eq!(out, r#"{"o":{},"a":[],"n":null}[]"#);
    }

    proptest! {
        #[test]
        fn any_text_is_read_back(text in any::<String>()) {
            let mut out = String::new();
            ValueWriter::new(&mut out).string(&text);
            prop_assert!(out.is_ascii() && !out.contains('\n'));
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }

        #[test]
        fn any_number_is_read_back(value in any::<f64>(), whole in any::<i64>()) {
            let mut out = String::new();
            array(&mut out, |all| {
                all.value().double(value);
                all.value().signed(whole);
            });
            let (double, signed): (f64, i64) = serde_json::from_str(&out).unwrap();
            prop_assert_eq!(double.to_bits(), value.to_bits());
            prop_assert_eq!(signed, whole);
        }
    }
}
