; Structures that refer to themselves, through pairs, vectors and closures.
; expect: around 3 times: a b c a b c a b c
; expect: 5000 rings made

(define (last l) (if (null? (cdr l)) l (last (cdr l))))
(define (ring l) (set-cdr! (last l) l) l)
(define (around r n) (if (< 0 n) (begin (display " " (car r))
                                        (around (cdr r) (- n 1)))))
(define abc (ring (list 'a 'b 'c)))
(define (make n)
  (if (= n 0) 5000
      (let ((v (make-vector 3 n)))
        (let ((f (lambda () v)))
          (vector-set! v 0 f)
          (vector-set! v 1 (ring (list v f n)))
          (make (- n 1))))))
(define made (make 5000))
(display "around 3 times:") (around abc 9) (newline)
(display made " rings made") (newline)
