; Maps of ephemerons: a value lives as long as its key does, also if it refers to
; its key; what is held by the value of a key that is held is held.
; expect: 300 of 300, 299 is 89401
; expect: 10 are left
; expect: values (9 . 81) (0 . 0)
; expect: links 20: end
; expect: again (nine)

(define (collect-all n) (if (< 0 n) (begin (collect) (collect-all (- n 1)))))
(define m (make-map))
(define (fill n keys)
  (if (= n 0) keys
      (let ((key (list (- n 1))))
        (map-put! m key (cons key (* (- n 1) (- n 1))))
        (fill (- n 1) (cons key keys)))))
(define (nth l n) (if (= n 0) (car l) (nth (cdr l) (- n 1))))
(define (first n l) (if (= n 0) '() (cons (car l) (first (- n 1) (cdr l)))))

; Each value refers to its key.
(define keys (fill 300 '()))
(display (map-count m) " of 300, 299 is " (cdr (map-get m (nth keys 299))))
(newline)
(set! keys (first 10 keys))
(collect-all 8)
(display (if (collects?) (map-count m) 10) " are left") (newline)
(define (show k) (let ((v (map-get m k))) (cons (car (car v)) (cdr v))))
(display "values " (show (nth keys 9)) " " (show (nth keys 0))) (newline)

; A chain: the value of each key is the next key, and nothing else holds that.
(define chain (list 'start))
(define (extend key n)
  (if (= n 0) (map-put! m key 'end)
      (let ((next (list n))) (map-put! m key next) (extend next (- n 1)))))
(define (follow key n)
  (let ((v (map-get m key)))
    (if (pair? v) (follow v (+ n 1))
        (begin (display "links " n ": " v) (newline)))))
(extend chain 20)
(collect-all 8)
(follow chain 0)

(map-put! m (nth keys 9) '(nine))
(display "again " (map-get m (nth keys 9))) (newline)
