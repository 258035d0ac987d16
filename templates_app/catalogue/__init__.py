"""What can be deployed, as files: one YAML for each template, tiers.yaml, and builds/.

`reading` turns a file into checked data, `loading` turns that into rows.
"""
