//! Documents held against a JSON Schema by Python's `jsonschema`.

use serde_json::{Value, json};

use crate::tool;

/// Prints, for each document, its first fault or null.
const VALIDATE: &str = "
import json, sys
from jsonschema.validators import validator_for
given = json.load(sys.stdin)
Validator = validator_for(given['schema'])
Validator.check_schema(given['schema'])
validator = Validator(given['schema'])
def fault(document):
    return next((f'{list(error.path)}: {error.message}' for error in validator.iter_errors(document)), None)
json.dump([fault(document) for document in given['documents']], sys.stdout)
";

/// What is wrong with each document, if anything. `None`: `jsonschema` is missing and the test is to be skipped.
#[track_caller]
pub fn faults(schema: &Value, documents: &[Value]) -> Option<Vec<Option<String>>> {
    let mut python = tool::python("jsonschema", "python3-jsonschema")?;
    let given = json!({"schema": schema, "documents": documents}).to_string();
    let output = tool::feed(python.args(["-c", VALIDATE]), given.as_bytes());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}
