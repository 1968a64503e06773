; What goes wrong is told, and ends the program.
; expect: so far
; expect-error: lisp: vector-ref: wrong argument
(display "so far") (newline)
(vector-ref (make-vector 3 0) 3)
(display "not reached")
