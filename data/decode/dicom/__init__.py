"""DICOM: header, pixels, gray values and spacing of a projection radiograph."""
