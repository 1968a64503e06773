// SPDX-License-Identifier: Apache-2.0
// Start-up.
console.log('hello')
