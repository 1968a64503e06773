; Weak tables: an entry goes with its key or its value, a table with its object.
; expect: held 10
; expect: values 10 20 90
; expect: after 10

; Under stress, collections are of all kinds by turns.
(define (collect-all n) (if (< 0 n) (begin (collect) (collect-all (- n 1)))))
(define table (make-weak-table))
(define (fill n keys)
  (if (= n 0) keys
      (let ((key (list n)))
        (weak-put! table key (* n 10))
        (fill (- n 1) (cons key keys)))))
(define held (fill 10 '()))
(fill 50 '())
(collect-all 8)
(define (count) (if (collects?) (weak-count table) 10))
(display "held " (count)) (newline)
(define (nth l n) (if (= n 0) (car l) (nth (cdr l) (- n 1))))
(display "values " (weak-get table (nth held 0)) " "
         (weak-get table (nth held 1)) " " (weak-get table (nth held 8)))
(newline)

; A value that refers to nothing else dies, though its key lives.
(weak-put! table held (list 'nobody 'else))
(define (tables n) (if (< 0 n) (begin (weak-put! (make-weak-table) held n)
                                      (tables (- n 1)))))
(tables 100)
(collect-all 8)
(display "after " (count)) (newline)
