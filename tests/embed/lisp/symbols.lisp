; Symbols are in a weak table: those that nobody holds go, and come again as
; other ones; the ones with a value stay.
; expect: #t #t #f
; expect: many symbols are gone
; expect: 77

; Under stress, collections are of all kinds by turns.
(define (collect-all n) (if (< 0 n) (begin (collect) (collect-all (- n 1)))))
(define (name n) (string-append "symbol-" (number->string n)))
(define here (string->symbol (name 1)))
(define kept 77)
(display (eq? here (string->symbol (name 1))) " "
         (eq? 'kept (string->symbol "kept")) " "
         (eq? 'a 'b))
(newline)
(define (make n)
  (if (< 0 n) (begin (string->symbol (name n)) (make (- n 1)))))
(make 2000)
(collect-all 8)
(define left (symbols))
(display (if (collects?) (if (< left 1000) "many symbols are gone" left)
             "many symbols are gone"))
(newline)
(make 100)
(display (if (eq? here (string->symbol (name 1))) kept "another symbol"))
(newline)
