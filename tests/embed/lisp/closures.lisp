; Closures keep their environment, and change it; calls in tail position take
; no room.
; expect: 1 2 3 1 4
; expect: 100000
; expect: 3628800
; expect: (8 . 9)

(define (make-counter)
  (let ((n 0)) (lambda () (set! n (+ n 1)) n)))
(define a (make-counter))
(define b (make-counter))
(display (a) " " (a) " " (a) " " (b) " " (a)) (newline)

(define (count n counter)
  (if (= n 0) (counter) (begin (counter) (count (- n 1) counter))))
(display (count 99999 (make-counter))) (newline)

(define (factorial n) (if (= n 0) 1 (* n (factorial (- n 1)))))
(display (factorial 10)) (newline)

(define (make-pair x y)
  (lambda (which) (if (eq? which 'both) (cons x y) (if (eq? which 'x) x y))))
(define (deep n f)
  (if (= n 0) f (deep (- n 1) (lambda (which) (f which)))))
(display ((deep 500 (make-pair 8 9)) 'both)) (newline)
