; More lives than the heap holds.
; options: --heap-max=4
; expect: begin
; expect-error: lisp: the heap is full
(display "begin") (newline)
(define (grow l) (grow (cons (make-vector 1000 l) l)))
(grow '())
