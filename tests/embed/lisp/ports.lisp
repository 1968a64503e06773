; Ports that nobody holds are closed: there may be 100 at a time, and many more
; one after the other.
; expect: #t #f
; expect: 3 open, closed #t #t #t
; expect: few are open

(define p (open-scratch))
(write p "some " 'text " " 7)
(display (close p) " " (close p)) (newline)

(define (open-some n) (if (= n 0) '() (cons (open-scratch) (open-some (- n 1)))))
(define held (open-some 3))
(display (ports) " open, closed " (close (car held)) " " (close (car (cdr held)))
         " " (close (car (cdr (cdr held))))) (newline)

(define (open-many n)
  (if (< 0 n) (begin (write (open "/dev/null") "line " n) (open-many (- n 1)))))
(collect)
(open-many (if (collects?) 250 50))
(define (collect-all n) (if (< 0 n) (begin (collect) (collect-all (- n 1)))))
(collect-all 8)
(display (if (< (if (collects?) (ports) 0) 10) "few are open" (ports))) (newline)
