"""The gate: a small network that says whether a picture is one digit, learnt from digits against outliers.

Source: Hendrycks, Mazeika and Dietterich 2019, "Deep Anomaly Detection with Outlier Exposure".
"""
