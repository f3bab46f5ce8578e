;; Each function goes over one limit, and traps where it cannot.
(component
  (core module $trial
    (memory (export "memory") 1)
    (table $table 1 funcref)
    ;; The processor time, and the wall clock.
    (func (export "spin") (loop $again (br $again)))
    (func (export "grow-memory")
      (loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
      (unreachable))
    (func (export "grow-table")
      (loop $again
        (br_if $again (i32.ne (table.grow $table (ref.null func) (i32.const 1000)) (i32.const -1))))
      (unreachable))
    ;; All of the memory, as one text of NULs: where it is and how long at its beginning.
    (func (export "answer") (result i32)
      (i32.store (i32.const 0) (i32.const 8))
      (i32.store (i32.const 4) (i32.const 65528))
      (i32.const 0)))
  (core instance $it (instantiate $trial))
  (func (export "spin") (canon lift (core func $it "spin")))
  (func (export "grow-memory") (canon lift (core func $it "grow-memory")))
  (func (export "grow-table") (canon lift (core func $it "grow-table")))
  (func (export "answer") (result string)
    (canon lift (core func $it "answer") (memory $it "memory"))))
