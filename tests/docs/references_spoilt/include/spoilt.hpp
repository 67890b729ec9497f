/// What is right: (eq. known). What is not: (eq. unknown), (eq.torn), and section 7.
#pragma once
