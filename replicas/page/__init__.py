"""What the endpoint's pages say, worked out from facts. Pure: no I/O, time is given.

facts      what is known when a page is drawn
words      pieces of sentences that count by themselves in the browser
remedies   what is wrong in three words, and what to press
telling    a readout's shape, and pieces of several
trouble    what is said of what failed
readout    one headline and one sentence for the endpoint, worst first
bubbles    one per replica, and dotted slots up to the maximum
track      the four steps under the bubbles
timeline   the events of one replica, for its dialog
spans      how far back charts look
plans      which values a chart shows, in which words
charts     the charts, ready to be put into the page
plot       lines of numbers as pictures
ribbons    the last hour, one line per replica
tiers      hardware
revisions  the numbered containers, and what each changed
details    configuration, activity, notes
sparks     the last hour of a row of the list
listing    the rows and the tally of the endpoints list
"""
